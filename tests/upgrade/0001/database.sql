BEGIN TRANSACTION;
CREATE TABLE accounts (
    address TEXT NOT NULL PRIMARY KEY,
    password_hash BLOB NOT NULL,
    created REAL NOT NULL,
    scram TEXT NOT NULL DEFAULT '', -- SCRAM keys of the password (RFC 5803); '' until it is used once
    quota INTEGER, -- octets that the mailbox may hold; NULL: as configured; 0: any number
    epoch INTEGER NOT NULL DEFAULT 0 -- number of times that all sessions were ended
) WITHOUT ROWID;
INSERT INTO "accounts" VALUES('alice@home.test',X'2432622430342439477947746C486E62555177477A4C56312E6972514F7550636261662F2E367A3750696D32596A69324930694E664F4D375A655047',1.79620465442936515e+09,'SCRAM-SHA-256$65536:TPldYuz0Mrps6AF6iE6o9Q==$R+Q0FZs6tt5ceIgrPof6ZNuRC6o24jCz+B5PnN28m+s=:Qd0O0mp49ECoCW60eVQv5yPlYtTVWKSY958YgQSp3ms=',NULL,0);
INSERT INTO "accounts" VALUES('bob@home.test',X'2432622430342470784C7139636164704577454173794F4271736C784F4E356E6662563237684E49564C764B3172706757326437725648756B616E65',1.79620465442936515e+09,'SCRAM-SHA-256$65536:r3ubHAuxe0nEzVLW4E2qpQ==$bqKQX7M33MxZpIK05i0MKIh1T5lngEbM2KDJg94RtH8=:2ccG85hIghhdJoTRo4wfiiqKMDCCNVV6oX4jec2oVfA=',NULL,0);
CREATE TABLE aliases (
    address TEXT NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL, -- as written
    leads_to TEXT NOT NULL,
    PRIMARY KEY (address, position)
) WITHOUT ROWID;
INSERT INTO "aliases" VALUES('team@home.test',0,'alice@home.test','alice@home.test');
INSERT INTO "aliases" VALUES('team@home.test',1,'carol@elsewhere.test','carol@elsewhere.test');
CREATE TABLE app_passwords (
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (address, name)
) WITHOUT ROWID;
CREATE TABLE contents (
    letter TEXT NOT NULL UNIQUE,
    file TEXT,
    octets BLOB,
    digest TEXT -- BLAKE2b of the octets, 128 bits, hexadecimal; NULL for an object, whose name has it
);
INSERT INTO "contents" VALUES('1m8v27y838rxss8',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3876323779383338727873733820666F72203C626F6240686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A4D6573736167652D49443A203C316D38763237793833387278737338406D782E686F6D652E746573743E0D0A446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20736D616C6C0D0A0D0A736D616C6C0D0A','1dda995e21ec21f26ace9fc416b42dd3');
INSERT INTO "contents" VALUES('1m8v27y8r9ztm7c','6a62510bd3830cefa0ebd5cf53d5151a',NULL,'b82c85e5e3bde16fe50194f00c421cd4');
INSERT INTO "contents" VALUES('1m8v27y9698wvmz',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D38763237793936393877766D7A3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A4D6573736167652D49443A203C316D38763237793936393877766D7A406D782E686F6D652E746573743E0D0A446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20746F2074776F0D0A0D0A746F0D0A74776F0D0A','04fbba6b89589944d81915c75f7e2bfc');
INSERT INTO "contents" VALUES('1m8v27y9gag1sdk',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3876323779396761673173646B20666F72203C7465616D40686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A4D6573736167652D49443A203C316D3876323779396761673173646B406D782E686F6D652E746573743E0D0A446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20746F20616E20616C6961730D0A0D0A746F0D0A616E0D0A616C6961730D0A','0945ac68b6fe5528df30544e185c1179');
INSERT INTO "contents" VALUES('1m8v27y9r07wmeh',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D387632377939723037776D656820666F72203C6361726F6C40656C736577686572652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A4D6573736167652D49443A203C316D387632377939723037776D6568406D782E686F6D652E746573743E0D0A446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A2064656665727265640D0A0D0A64656665727265640D0A','a60606927bf03d5c91916888e390a95e');
INSERT INTO "contents" VALUES('1m8v27y9xrrb8pn',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3876323779397872726238706E20666F72203C6361726F6C40656C736577686572652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A4D6573736167652D49443A203C316D3876323779397872726238706E406D782E686F6D652E746573743E0D0A446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A2068656C640D0A0D0A68656C640D0A','4ff56063581fef7dc84012cbca2a3d7c');
INSERT INTO "contents" VALUES('1m8v2832cp8yze9',NULL,X'46726F6D3A204D61696C2044656C69766572792053797374656D203C4D41494C45522D4441454D4F4E406D782E686F6D652E746573743E0D0A546F3A20616C69636540686F6D652E746573740D0A5375626A6563743A20596F7572206C657474657220636F756C64206E6F742062652064656C6976657265640D0A446174653A205765642C20322044656320323032362030393A34343A3231202B303030300D0A4D6573736167652D49443A203C316D387632383332637038797A6539406D782E686F6D652E746573743E0D0A4D494D452D56657273696F6E3A20312E300D0A4175746F2D5375626D69747465643A206175746F2D7265706C6965640D0A496E2D5265706C792D546F3A203C316D38763237796136363035687061406D782E686F6D652E746573743E0D0A5265666572656E6365733A203C316D38763237796136363035687061406D782E686F6D652E746573743E0D0A436F6E74656E742D547970653A206D756C7469706172742F7265706F72743B207265706F72742D747970653D64656C69766572792D7374617475733B0D0A20626F756E646172793D223D5F316D387632383332637038797A6539220D0A0D0A2D2D3D5F316D387632383332637038797A65390D0A436F6E74656E742D547970653A20746578742F706C61696E3B20636861727365743D75732D61736369690D0A0D0A5468697320697320746865206D61696C2073797374656D206F66206D782E686F6D652E746573742E0D0A0D0A596F7572206C6574746572206F66205765642C20322044656320323032362030393A34343A3136202B3030303020636F756C64206E6F742062652064656C69766572656420746F20746869730D0A726563697069656E743A0D0A0D0A20206361726F6C40656C736577686572652E746573740D0A20202020746865206F70657261746F72206F6620746865206D61696C2073797374656D20746F6F6B20746865206C6574746572206F7574206F66207468652071756575650D0A0D0A49742077696C6C206E6F7420626520747269656420616761696E2E0D0A54686520686F737420746865726520646F65736E27742077616E742074686973206C65747465722E2054686520776F7264732061626F76652C206F722069747320706F73746D61737465722C0D0A63616E20736179207768792E0D0A0D0A466F722068656C702C2073656E6420746869732077686F6C65207265706F727420746F20706F73746D6173746572406D782E686F6D652E746573742E0D0A0D0A2D2D3D5F316D387632383332637038797A65390D0A436F6E74656E742D547970653A206D6573736167652F64656C69766572792D7374617475730D0A0D0A5265706F7274696E672D4D54413A20646E733B206D782E686F6D652E746573740D0A4172726976616C2D446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A0D0A46696E616C2D526563697069656E743A207266633832323B206361726F6C40656C736577686572652E746573740D0A416374696F6E3A206661696C65640D0A5374617475733A20352E372E300D0A446961676E6F737469632D436F64653A20782D6D61696C737461636B3B20746865206F70657261746F72206F6620746865206D61696C2073797374656D20746F6F6B207468650D0A206C6574746572206F7574206F66207468652071756575650D0A4C6173742D417474656D70742D446174653A205765642C20322044656320323032362030393A34343A3231202B303030300D0A0D0A2D2D3D5F316D387632383332637038797A65390D0A436F6E74656E742D547970653A20746578742F7266633832322D686561646572730D0A0D0A52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3876323779613636303568706120666F72203C6361726F6C40656C736577686572652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A4D6573736167652D49443A203C316D38763237796136363035687061406D782E686F6D652E746573743E0D0A446174653A205765642C20322044656320323032362030393A34343A3136202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20626F756E6365640D0A0D0A2D2D3D5F316D387632383332637038797A65392D2D0D0A','55b1d99abeb853e37857aa4cc58e1ff3');
CREATE TABLE delay_reasons (
    owner TEXT NOT NULL PRIMARY KEY,
    valid_until REAL NOT NULL, -- what a dead process published ends by itself
    reasons TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "delay_reasons" VALUES('mx.home.test',1.79620468890146541e+09,'[{"kind":"down","name":"127.0.0.1 [127.0.0.1]:1","text":"connection refused","until":1796204672.0,"facts":{"host":"127.0.0.1","address":"127.0.0.1","port":1}}]');
CREATE TABLE deliveries (
    letter TEXT NOT NULL,
    number INTEGER NOT NULL,
    server TEXT NOT NULL, -- the same as of its letter
    address TEXT NOT NULL,
    original TEXT, -- address as the sender wrote it, if an alias led to `address`
    recipient TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Time from which it may be claimed; 1e15 while it is held; NULL once it is finished and no attempt is under way.
    waits_until REAL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    lease REAL NOT NULL,
    status TEXT,
    text TEXT NOT NULL,
    host TEXT NOT NULL,
    warned INTEGER NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -9 AND 9), -- RFC 6710 section 5
    parked_for TEXT, -- destination key while it is parked, since its destination has no free slot
    -- Step "collected", in a page that is written anyway. JSON: of each time [seq, at, server, facts].
    collected TEXT,
    PRIMARY KEY (letter, number)
) WITHOUT ROWID;
INSERT INTO "deliveries" VALUES('1m8v27y838rxss8',0,'mx.home.test','bob@home.test',NULL,'{"address":{"local":"bob","domain":"home.test"},"original":null,"parameters":[]}','local','collected',NULL,1.79620465690137481e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0,0,NULL,'[[1883457094115701457,1796204656.996575,"mx.home.test",{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}]]');
INSERT INTO "deliveries" VALUES('1m8v27y8r9ztm7c',0,'mx.home.test','bob@home.test',NULL,'{"address":{"local":"bob","domain":"home.test"},"original":null,"parameters":[]}','local','collected',NULL,1.79620465692776083e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0,0,NULL,'[[1883457103928794090,1796204666.2122421,"mx.home.test",{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}]]');
INSERT INTO "deliveries" VALUES('1m8v27y9698wvmz',0,'mx.home.test','alice@home.test',NULL,'{"address":{"local":"alice","domain":"home.test"},"original":null,"parameters":[]}','local','collected',NULL,1.79620465693511152e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0,0,NULL,'[[1883457103924599786,1796204666.1931167,"mx.home.test",{"by":"alice@home.test","client":"127.0.0.1","protocol":"pop3"}]]');
INSERT INTO "deliveries" VALUES('1m8v27y9698wvmz',1,'mx.home.test','bob@home.test',NULL,'{"address":{"local":"bob","domain":"home.test"},"original":null,"parameters":[]}','local','collected',NULL,1.79620465693511152e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0,0,NULL,'[[1883457094116750033,1796204656.9968338,"mx.home.test",{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}]]');
INSERT INTO "deliveries" VALUES('1m8v27y9gag1sdk',0,'mx.home.test','alice@home.test','team@home.test','{"address":{"local":"alice","domain":"home.test"},"original":{"local":"team","domain":"home.test"},"parameters":[]}','local','collected',NULL,1.79620465694477772e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0,0,NULL,'[[1883457103925648362,1796204666.1938806,"mx.home.test",{"by":"alice@home.test","client":"127.0.0.1","protocol":"pop3"}]]');
INSERT INTO "deliveries" VALUES('1m8v27y9gag1sdk',1,'mx.home.test','carol@elsewhere.test','team@home.test','{"address":{"local":"carol","domain":"elsewhere.test"},"original":{"local":"team","domain":"home.test"},"parameters":[]}','elsewhere.test','queued',1.79620797880660462e+09,1.79620797880660462e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused','127.0.0.1',0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('1m8v27y9r07wmeh',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}','elsewhere.test','queued',1.79620836206642818e+09,1.79620836206642818e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused; left alone until 09:44:31 UTC','127.0.0.1',0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('1m8v27y9xrrb8pn',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}','elsewhere.test','held',1.0e+15,1.79620799607137727e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused; left alone until 09:44:31 UTC','127.0.0.1',0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('1m8v27ya6605hpa',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}','elsewhere.test','bounced',NULL,1.79620853270008659e+09,1,NULL,0.0,'5.7.0','the operator of the mail system took the letter out of the queue','',0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('1m8v27yarmp1pwz',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}','elsewhere.test','removed',NULL,1.79620796725695395e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused; left alone until 09:44:31 UTC','127.0.0.1',0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('1m8v2832cp8yze9',0,'mx.home.test','alice@home.test',NULL,'{"address":{"local":"alice","domain":"home.test"},"original":null,"parameters":[]}','local','collected',NULL,1.79620466191113066e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0,0,NULL,'[[1883457103926696938,1796204666.1940336,"mx.home.test",{"by":"alice@home.test","client":"127.0.0.1","protocol":"pop3"}]]');
CREATE TABLE entries (
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    letter TEXT NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    at REAL NOT NULL,
    headers BLOB NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
INSERT INTO "entries" VALUES(1,1,'1m8v27y838rxss8',0,473,1.79620465690137481e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20626F6240686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D3876323779383338727873733820666F72203C626F6240686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A');
INSERT INTO "entries" VALUES(1,2,'1m8v27y8r9ztm7c',0,72508,1.79620465692776083e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20626F6240686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D38763237793872397A746D376320666F72203C626F6240686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A');
INSERT INTO "entries" VALUES(2,1,'1m8v27y9698wvmz',0,460,1.79620465693511152e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20616C69636540686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D38763237793936393877766D7A20666F72203C616C69636540686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A');
INSERT INTO "entries" VALUES(2,2,'1m8v27y9gag1sdk',0,492,1.79620465694477772e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20616C69636540686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D3876323779396761673173646B20666F72203C616C69636540686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3136202B303030300D0A');
INSERT INTO "entries" VALUES(2,3,'1m8v2832cp8yze9',0,1842,1.79620466191113066e+09,X'52657475726E2D506174683A203C3E0D0A44656C6976657265642D546F3A20616C69636540686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D387632383332637038797A653920666F72203C616C69636540686F6D652E746573743E3B0D0A095765642C20322044656320323032362030393A34343A3231202B303030300D0A');
CREATE TABLE greylist (
    name TEXT NOT NULL PRIMARY KEY,
    first REAL NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE hold_rules (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    domain TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY,
    server TEXT NOT NULL, -- host name of the server that accepted it
    sender TEXT NOT NULL, -- '' is the null reverse-path
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    arrival TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "letters" VALUES('1m8v27y838rxss8','mx.home.test','alice@home.test',1.79620465689936041e+09,275,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"bob","domain":"home.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.8993604,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58114},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27y8r9ztm7c','mx.home.test','alice@home.test',1.79620465692034578e+09,72310,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"bob","domain":"home.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9203458,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58128},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27y9698wvmz','mx.home.test','alice@home.test',1.7962046569347856e+09,258,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"alice","domain":"home.test"},"original":null,"parameters":[]},{"address":{"local":"bob","domain":"home.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9347856,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58136},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27y9gag1sdk','mx.home.test','alice@home.test',1.79620465694423723e+09,290,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"team","domain":"home.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9442372,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58148},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27y9r07wmeh','mx.home.test','alice@home.test',1.79620465695261883e+09,288,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9526188,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58160},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27y9xrrb8pn','mx.home.test','alice@home.test',1.79620465695786714e+09,280,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9578671,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58162},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27ya6605hpa','mx.home.test','alice@home.test',1.79620465696628117e+09,286,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9662812,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58172},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v27yarmp1pwz','mx.home.test','alice@home.test',1.79620465698497271e+09,286,'{"sender":{"local":"alice","domain":"home.test"},"recipients":[{"address":{"local":"carol","domain":"elsewhere.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204656.9849727,"server":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":58174},"helo":"[127.0.0.1]","account":"alice@home.test","mechanism":"PLAIN","tls":null,"name":""}');
INSERT INTO "letters" VALUES('1m8v2832cp8yze9','mx.home.test','',1.79620466183614397e+09,1655,'{"sender":null,"recipients":[{"address":{"local":"alice","domain":"home.test"},"original":null,"parameters":[]}],"body":"7BIT","parameters":[]}','{"at":1796204661.836144,"server":"mx.home.test","protocol":"LOCAL","remote":null,"helo":"","account":null,"mechanism":null,"tls":null,"name":""}');
CREATE TABLE logouts (
    session TEXT NOT NULL PRIMARY KEY, -- SHA-256 of the cookie, hexadecimal
    until REAL NOT NULL -- end of the session without a logout
) WITHOUT ROWID;
CREATE TABLE mailboxes (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL,
    octets INTEGER NOT NULL DEFAULT 0 -- sum of the sizes of its entries, kept so that a quota needs no sum
);
INSERT INTO "mailboxes" VALUES(1,'bob@home.test',1796204656,4,72981);
INSERT INTO "mailboxes" VALUES(2,'alice@home.test',1796204656,4,2794);
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    letter TEXT NOT NULL,
    at REAL NOT NULL,
    server TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    due REAL NOT NULL, -- while it is claimed: end of the lease
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    trouble TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE schema_info (version INTEGER NOT NULL);
INSERT INTO "schema_info" VALUES(1);
CREATE TABLE steps (
    letter TEXT NOT NULL,
    seq INTEGER NOT NULL, -- grows within the process that wrote it; orders steps of the same instant
    at REAL NOT NULL,
    server TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (letter, seq)
) WITHOUT ROWID;
INSERT INTO "steps" VALUES('1m8v27y838rxss8',1883457094081098449,1.79620465690137481e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["bob@home.test"],"size":275,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27y838rxss8',1883457094082147025,1.79620465690137481e+09,'mx.home.test','routed','{"recipient":"bob@home.test","via":"mailbox","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y838rxss8',1883457094083195601,1.79620465690137481e+09,'mx.home.test','delivered','{"recipient":"bob@home.test","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y8r9ztm7c',1883457094084244177,1.79620465692776083e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["bob@home.test"],"size":72310,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27y8r9ztm7c',1883457094085292753,1.79620465692776083e+09,'mx.home.test','routed','{"recipient":"bob@home.test","via":"mailbox","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y8r9ztm7c',1883457094086341329,1.79620465692776083e+09,'mx.home.test','delivered','{"recipient":"bob@home.test","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y9698wvmz',1883457094087389905,1.79620465693511152e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["alice@home.test","bob@home.test"],"size":258,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27y9698wvmz',1883457094088438481,1.79620465693511152e+09,'mx.home.test','routed','{"recipient":"alice@home.test","via":"mailbox","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y9698wvmz',1883457094089487057,1.79620465693511152e+09,'mx.home.test','routed','{"recipient":"bob@home.test","via":"mailbox","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y9698wvmz',1883457094090535633,1.79620465693511152e+09,'mx.home.test','delivered','{"recipient":"alice@home.test","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y9698wvmz',1883457094091584209,1.79620465693511152e+09,'mx.home.test','delivered','{"recipient":"bob@home.test","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y9gag1sdk',1883457094092632785,1.79620465694477772e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["team@home.test"],"size":290,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27y9gag1sdk',1883457094093681361,1.79620465694477772e+09,'mx.home.test','routed','{"recipient":"team@home.test","via":"alias","targets":["alice@home.test","carol@elsewhere.test"]}');
INSERT INTO "steps" VALUES('1m8v27y9gag1sdk',1883457094094729937,1.79620465694477772e+09,'mx.home.test','delivered','{"recipient":"alice@home.test","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m8v27y9gag1sdk',1883457094095778513,1.79620465694776582e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m8v27y9gag1sdk',1883457094096827089,1.79620465694776582e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","policy":"opportunistic, by [relay] tls","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: connection refused"]}');
INSERT INTO "steps" VALUES('1m8v27y9gag1sdk',1883457094097875665,1.79620465694858169e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused","host":"127.0.0.1","next_attempt":"2026-12-02T10:39:38.806605Z","warned":false}');
INSERT INTO "steps" VALUES('1m8v27y9r07wmeh',1883457094098924241,1.79620465695289111e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":288,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27y9r07wmeh',1883457094099972817,1.79620465695574402e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m8v27y9r07wmeh',1883457094101021393,1.79620465695574402e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","policy":"opportunistic, by [relay] tls","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: not called (connection refused; left alone until 09:44:31 UTC)"]}');
INSERT INTO "steps" VALUES('1m8v27y9r07wmeh',1883457094102069969,1.79620465695589852e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused; left alone until 09:44:31 UTC","host":"127.0.0.1","next_attempt":"2026-12-02T10:46:02.066428Z","warned":false}');
INSERT INTO "steps" VALUES('1m8v27y9xrrb8pn',1883457094103118545,1.79620465695812821e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":280,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27y9xrrb8pn',1883457094104167121,1.79620465696382117e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m8v27y9xrrb8pn',1883457094105215697,1.79620465696382117e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","policy":"opportunistic, by [relay] tls","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: not called (connection refused; left alone until 09:44:31 UTC)"]}');
INSERT INTO "steps" VALUES('1m8v27y9xrrb8pn',1883457094106264273,1.79620465696395516e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused; left alone until 09:44:31 UTC","host":"127.0.0.1","next_attempt":"2026-12-02T10:39:56.071377Z","warned":false}');
INSERT INTO "steps" VALUES('1m8v27y9xrrb8pn',1883457098058933352,1.79620466091289019e+09,'mx.home.test','held','{"recipient":"carol@elsewhere.test","by":"operator"}');
INSERT INTO "steps" VALUES('1m8v27ya6605hpa',1883457094107312849,1.79620465696655511e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":286,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27ya6605hpa',1883457094108361425,1.79620465697573399e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m8v27ya6605hpa',1883457094109410001,1.79620465697573399e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","policy":"opportunistic, by [relay] tls","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: not called (connection refused; left alone until 09:44:31 UTC)"]}');
INSERT INTO "steps" VALUES('1m8v27ya6605hpa',1883457094110458577,1.79620465697584104e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused; left alone until 09:44:31 UTC","host":"127.0.0.1","next_attempt":"2026-12-02T10:48:52.700087Z","warned":false}');
INSERT INTO "steps" VALUES('1m8v27ya6605hpa',1883457099085277021,1.79620466183614397e+09,'mx.home.test','bounced','{"recipient":"carol@elsewhere.test","by":"operator","report":"1m8v2832cp8yze9"}');
INSERT INTO "steps" VALUES('1m8v27yarmp1pwz',1883457094111507153,1.79620465698525333e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":286,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m8v27yarmp1pwz',1883457094112555729,1.79620465698909354e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m8v27yarmp1pwz',1883457094113604305,1.79620465698909354e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","policy":"opportunistic, by [relay] tls","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: not called (connection refused; left alone until 09:44:31 UTC)"]}');
INSERT INTO "steps" VALUES('1m8v27yarmp1pwz',1883457094114652881,1.79620465698921394e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused; left alone until 09:44:31 UTC","host":"127.0.0.1","next_attempt":"2026-12-02T10:39:27.256954Z","warned":false}');
INSERT INTO "steps" VALUES('1m8v27yarmp1pwz',1883457099996376431,1.79620466264075088e+09,'mx.home.test','removed','{"recipient":"carol@elsewhere.test","by":"operator"}');
INSERT INTO "steps" VALUES('1m8v2832cp8yze9',1883457094117798609,1.79620466191113066e+09,'mx.home.test','delivered','{"recipient":"alice@home.test","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m8v2832cp8yze9',1883457099086325597,1.79620466183614397e+09,'mx.home.test','submitted','{"sender":"","recipients":["alice@home.test"],"size":1655,"protocol":"LOCAL","by":"mailstack","report":"failed","original":"1m8v27ya6605hpa"}');
INSERT INTO "steps" VALUES('1m8v2832cp8yze9',1883457099087374173,1.79620466183614397e+09,'mx.home.test','routed','{"recipient":"alice@home.test","via":"mailbox","mailbox":"alice@home.test"}');
CREATE TABLE suppressions (
    address TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE tls_reports (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    due REAL NOT NULL, -- while it is claimed: end of the lease
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    sent TEXT NOT NULL,
    PRIMARY KEY (day, domain)
) WITHOUT ROWID;
CREATE TABLE tls_results (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    failure TEXT NOT NULL, -- '' for success
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, failure)
) WITHOUT ROWID;
CREATE INDEX letters_by_arrival ON letters (arrived, id);
CREATE INDEX letters_by_sender ON letters (sender, arrived);
CREATE INDEX contents_in_files ON contents (file) WHERE file IS NOT NULL;
CREATE INDEX deliveries_owed ON deliveries (server, priority, waits_until) WHERE waits_until IS NOT NULL;
CREATE INDEX deliveries_by_address ON deliveries (address);
CREATE INDEX deliveries_by_original ON deliveries (original) WHERE original IS NOT NULL;
CREATE INDEX deliveries_parked ON deliveries (server, parked_for, priority DESC, letter) WHERE parked_for IS NOT NULL;
CREATE UNIQUE INDEX entries_by_delivery ON entries (letter, number);
CREATE INDEX logouts_by_until ON logouts (until);
CREATE INDEX aliases_by_target ON aliases (leads_to);
CREATE INDEX greylist_by_until ON greylist (until);
CREATE INDEX outbox_due ON outbox (target, due);
CREATE INDEX outbox_by_age ON outbox (target, at);
CREATE INDEX tls_reports_due ON tls_reports (due);
COMMIT;
