BEGIN TRANSACTION;
CREATE TABLE accounts (
    address TEXT NOT NULL PRIMARY KEY,
    password_hash BLOB NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO "accounts" VALUES('alice@home.test',X'24326224303424704B53462E62336E6A426659507671456A4430524675786B3974576C5633557156374D5946563977564F3239782F36624850743069',1.79549220938243603e+09);
INSERT INTO "accounts" VALUES('bob@home.test',X'2432622430342450656C5751712E3846666A676B522F616C5A55434A4F503234484D66796576472F513948753834327453454E3244497441534F4D79',1.79549220938243603e+09);
CREATE TABLE aliases (
    address TEXT NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL, -- as written
    leads_to TEXT NOT NULL,
    PRIMARY KEY (address, position)
) WITHOUT ROWID;
INSERT INTO "aliases" VALUES('team@home.test',0,'alice@home.test','alice@home.test');
INSERT INTO "aliases" VALUES('team@home.test',1,'carol@elsewhere.test','carol@elsewhere.test');
CREATE TABLE contents (
    letter TEXT NOT NULL PRIMARY KEY,
    file TEXT,
    octets BLOB
) WITHOUT ROWID;
INSERT INTO "contents" VALUES('1m85tsssxayc327',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3835747373737861796333323720666F72203C626F6240686F6D652E746573743E3B205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A4D6573736167652D49443A203C316D38357473737378617963333237406D782E686F6D652E746573743E0D0A446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20736D616C6C0D0A0D0A736D616C6C0D0A');
INSERT INTO "contents" VALUES('1m85tsst0de9gg4','9aaecda022d334e9e036d1235d5f891a',NULL);
INSERT INTO "contents" VALUES('1m85tsstwc28anm',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D38357473737477633238616E6D3B205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A4D6573736167652D49443A203C316D38357473737477633238616E6D406D782E686F6D652E746573743E0D0A446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20746F2074776F0D0A0D0A746F0D0A74776F0D0A');
INSERT INTO "contents" VALUES('1m85tssv1w4733n',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3835747373763177343733336E20666F72203C7465616D40686F6D652E746573743E3B205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A4D6573736167652D49443A203C316D3835747373763177343733336E406D782E686F6D652E746573743E0D0A446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20746F20616E20616C6961730D0A0D0A746F0D0A616E0D0A616C6961730D0A');
INSERT INTO "contents" VALUES('1m85tssvb1rjwnk',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3835747373766231726A776E6B20666F72203C6361726F6C40656C736577686572652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A4D6573736167652D49443A203C316D3835747373766231726A776E6B406D782E686F6D652E746573743E0D0A446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A2064656665727265640D0A0D0A64656665727265640D0A');
INSERT INTO "contents" VALUES('1m85tssvjhyg8c2',NULL,X'52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D3835747373766A68796738633220666F72203C6361726F6C40656C736577686572652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A4D6573736167652D49443A203C316D3835747373766A687967386332406D782E686F6D652E746573743E0D0A446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A2068656C640D0A0D0A68656C640D0A');
INSERT INTO "contents" VALUES('1m85tswh6pxeyfk',NULL,X'46726F6D3A204D61696C2044656C69766572792053797374656D203C4D41494C45522D4441454D4F4E406D782E686F6D652E746573743E0D0A546F3A20616C69636540686F6D652E746573740D0A5375626A6563743A20596F7572206C657474657220636F756C64206E6F742062652064656C6976657265640D0A446174653A205475652C203234204E6F7620323032362030333A35303A3133202B303030300D0A4D6573736167652D49443A203C316D3835747377683670786579666B406D782E686F6D652E746573743E0D0A4D494D452D56657273696F6E3A20312E300D0A4175746F2D5375626D69747465643A206175746F2D7265706C6965640D0A496E2D5265706C792D546F3A203C316D38357473737674366E77327338406D782E686F6D652E746573743E0D0A5265666572656E6365733A203C316D38357473737674366E77327338406D782E686F6D652E746573743E0D0A436F6E74656E742D547970653A206D756C7469706172742F7265706F72743B207265706F72742D747970653D64656C69766572792D7374617475733B0D0A09626F756E646172793D223D5F316D3835747377683670786579666B220D0A0D0A2D2D3D5F316D3835747377683670786579666B0D0A436F6E74656E742D547970653A20746578742F706C61696E3B20636861727365743D75732D61736369690D0A0D0A5468697320697320746865206D61696C2073797374656D206F66206D782E686F6D652E746573742E0D0A0D0A596F7572206C6574746572206F66205475652C203234204E6F7620323032362030333A35303A3130202B3030303020636F756C64206E6F742062652064656C69766572656420746F0D0A7468697320726563697069656E743A0D0A0D0A20206361726F6C40656C736577686572652E746573740D0A20202020746865206F70657261746F72206F6620746865206D61696C2073797374656D20746F6F6B20746865206C6574746572206F7574206F66207468652071756575650D0A0D0A49742077696C6C206E6F7420626520747269656420616761696E2E0D0A54686520686F737420746865726520646F65736E27742077616E742074686973206C65747465722E2054686520776F7264732061626F76652C206F722069747320706F73746D61737465722C0D0A63616E20736179207768792E0D0A0D0A466F722068656C702C2073656E6420746869732077686F6C65207265706F727420746F20706F73746D6173746572406D782E686F6D652E746573742E0D0A0D0A2D2D3D5F316D3835747377683670786579666B0D0A436F6E74656E742D547970653A206D6573736167652F64656C69766572792D7374617475730D0A0D0A5265706F7274696E672D4D54413A20646E733B206D782E686F6D652E746573740D0A4172726976616C2D446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A0D0A46696E616C2D526563697069656E743A207266633832323B206361726F6C40656C736577686572652E746573740D0A416374696F6E3A206661696C65640D0A5374617475733A20352E372E300D0A446961676E6F737469632D436F64653A20782D6D61696C737461636B3B20746865206F70657261746F72206F6620746865206D61696C2073797374656D20746F6F6B207468650D0A206C6574746572206F7574206F66207468652071756575650D0A4C6173742D417474656D70742D446174653A205475652C203234204E6F7620323032362030333A35303A3133202B303030300D0A0D0A2D2D3D5F316D3835747377683670786579666B0D0A436F6E74656E742D547970653A20746578742F7266633832322D686561646572730D0A0D0A52656365697665643A2066726F6D205B3132372E302E302E315D20285B3132372E302E302E315D29206279206D782E686F6D652E7465737420776974682045534D5450410D0A09696420316D38357473737674366E7732733820666F72203C6361726F6C40656C736577686572652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A4D6573736167652D49443A203C316D38357473737674366E77327338406D782E686F6D652E746573743E0D0A446174653A205475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A46726F6D3A20616C69636540686F6D652E746573740D0A5375626A6563743A20626F756E6365640D0A0D0A2D2D3D5F316D3835747377683670786579666B2D2D0D0A');
CREATE TABLE deliveries (
    letter TEXT NOT NULL,
    number INTEGER NOT NULL,
    office TEXT NOT NULL,
    address TEXT NOT NULL,
    original TEXT, -- what the sender wrote, when an alias led to the address
    recipient TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    -- When it may be claimed; far away while it is held; NULL once nobody owes it and no attempt is under way.
    waits_until REAL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    lease REAL NOT NULL,
    status TEXT,
    text TEXT NOT NULL,
    host TEXT NOT NULL,
    warned INTEGER NOT NULL,
    PRIMARY KEY (letter, number)
) WITHOUT ROWID;
INSERT INTO "deliveries" VALUES('1m85tsssxayc327',0,'mx.home.test','bob@home.test',NULL,'{"address":{"domain":"home.test","local":"bob"},"original":null,"parameters":[]}','local','collected',NULL,1.79549221049337673e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0);
INSERT INTO "deliveries" VALUES('1m85tsst0de9gg4',0,'mx.home.test','bob@home.test',NULL,'{"address":{"domain":"home.test","local":"bob"},"original":null,"parameters":[]}','local','collected',NULL,1.79549221051582407e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0);
INSERT INTO "deliveries" VALUES('1m85tsstwc28anm',0,'mx.home.test','alice@home.test',NULL,'{"address":{"domain":"home.test","local":"alice"},"original":null,"parameters":[]}','local','collected',NULL,1.79549221052496981e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0);
INSERT INTO "deliveries" VALUES('1m85tsstwc28anm',1,'mx.home.test','bob@home.test',NULL,'{"address":{"domain":"home.test","local":"bob"},"original":null,"parameters":[]}','local','collected',NULL,1.79549221052496981e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0);
INSERT INTO "deliveries" VALUES('1m85tssv1w4733n',0,'mx.home.test','alice@home.test','team@home.test','{"address":{"domain":"home.test","local":"alice"},"original":{"domain":"home.test","local":"team"},"parameters":[]}','local','collected',NULL,1.79549221053040671e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0);
INSERT INTO "deliveries" VALUES('1m85tssv1w4733n',1,'mx.home.test','carol@elsewhere.test','team@home.test','{"address":{"domain":"elsewhere.test","local":"carol"},"original":{"domain":"home.test","local":"team"},"parameters":[]}','elsewhere.test','queued',1.79549561135929751e+09,1.79549561135929751e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused','127.0.0.1',0);
INSERT INTO "deliveries" VALUES('1m85tssvb1rjwnk',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}','elsewhere.test','queued',1.79549575613432908e+09,1.79549575613432908e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused','127.0.0.1',0);
INSERT INTO "deliveries" VALUES('1m85tssvjhyg8c2',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}','elsewhere.test','held',1.0e+15,1.79549561080092644e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused','127.0.0.1',0);
INSERT INTO "deliveries" VALUES('1m85tssvt6nw2s8',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}','elsewhere.test','bounced',NULL,1.79549556971639871e+09,1,NULL,0.0,'5.7.0','the operator of the mail system took the letter out of the queue','',0);
INSERT INTO "deliveries" VALUES('1m85tssvz151w6v',0,'mx.home.test','carol@elsewhere.test',NULL,'{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}','elsewhere.test','removed',NULL,1.79549551267873072e+09,1,NULL,0.0,'4.4.1','127.0.0.1: connection refused','127.0.0.1',0);
INSERT INTO "deliveries" VALUES('1m85tswh6pxeyfk',0,'mx.home.test','alice@home.test',NULL,'{"address":{"domain":"home.test","local":"alice"},"original":null,"parameters":[]}','local','collected',NULL,1.79549221351371693e+09,1,NULL,0.0,'2.1.5','in the mailbox','',0);
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
INSERT INTO "entries" VALUES(1,1,'1m85tsssxayc327',0,474,1.79549221049337673e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20626F6240686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D3835747373737861796333323720666F72203C626F6240686F6D652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A');
INSERT INTO "entries" VALUES(1,2,'1m85tsst0de9gg4',0,72509,1.79549221051582407e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20626F6240686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D3835747373743064653967673420666F72203C626F6240686F6D652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A');
INSERT INTO "entries" VALUES(2,1,'1m85tsstwc28anm',0,461,1.79549221052496981e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20616C69636540686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D38357473737477633238616E6D20666F72203C616C69636540686F6D652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A');
INSERT INTO "entries" VALUES(2,2,'1m85tssv1w4733n',0,493,1.79549221053040671e+09,X'52657475726E2D506174683A203C616C69636540686F6D652E746573743E0D0A44656C6976657265642D546F3A20616C69636540686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D3835747373763177343733336E20666F72203C616C69636540686F6D652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3130202B303030300D0A');
INSERT INTO "entries" VALUES(2,3,'1m85tswh6pxeyfk',0,1849,1.79549221351371693e+09,X'52657475726E2D506174683A203C3E0D0A44656C6976657265642D546F3A20616C69636540686F6D652E746573740D0A52656365697665643A2066726F6D206D782E686F6D652E74657374206279206D782E686F6D652E74657374202866696E616C2064656C6976657279290D0A09696420316D3835747377683670786579666B20666F72203C616C69636540686F6D652E746573743E3B0D0A095475652C203234204E6F7620323032362030333A35303A3133202B303030300D0A');
CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY,
    office TEXT NOT NULL,
    sender TEXT NOT NULL, -- '' is the null reverse-path
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    arrival TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "letters" VALUES('1m85tsssxayc327','mx.home.test','alice@home.test',1.79549221049301671e+09,275,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"home.test","local":"bob"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.4930167,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":44992},"tls":null}');
INSERT INTO "letters" VALUES('1m85tsst0de9gg4','mx.home.test','alice@home.test',1795492210.49679,72310,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"home.test","local":"bob"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.49679,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":44994},"tls":null}');
INSERT INTO "letters" VALUES('1m85tsstwc28anm','mx.home.test','alice@home.test',1.79549221052478814e+09,258,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"home.test","local":"alice"},"original":null,"parameters":[]},{"address":{"domain":"home.test","local":"bob"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.5247881,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":45000},"tls":null}');
INSERT INTO "letters" VALUES('1m85tssv1w4733n','mx.home.test','alice@home.test',1.79549221052997899e+09,290,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"home.test","local":"team"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.529979,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":45008},"tls":null}');
INSERT INTO "letters" VALUES('1m85tssvb1rjwnk','mx.home.test','alice@home.test',1.79549221053914976e+09,290,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.5391498,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":45018},"tls":null}');
INSERT INTO "letters" VALUES('1m85tssvjhyg8c2','mx.home.test','alice@home.test',1.79549221054699802e+09,282,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.546998,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":45028},"tls":null}');
INSERT INTO "letters" VALUES('1m85tssvt6nw2s8','mx.home.test','alice@home.test',1.79549221055447888e+09,288,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.554479,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":45032},"tls":null}');
INSERT INTO "letters" VALUES('1m85tssvz151w6v','mx.home.test','alice@home.test',1.79549221055948114e+09,288,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"elsewhere.test","local":"carol"},"original":null,"parameters":[]}],"sender":{"domain":"home.test","local":"alice"}}','{"account":"alice@home.test","at":1795492210.5594811,"helo":"[127.0.0.1]","mechanism":"PLAIN","office":"mx.home.test","protocol":"ESMTPA","remote":{"host":"127.0.0.1","port":45036},"tls":null}');
INSERT INTO "letters" VALUES('1m85tswh6pxeyfk','mx.home.test','',1.79549221328659653e+09,1661,'{"body":"7BIT","parameters":[],"recipients":[{"address":{"domain":"home.test","local":"alice"},"original":null,"parameters":[]}],"sender":null}','{"account":null,"at":1795492213.2865965,"helo":"","mechanism":null,"office":"mx.home.test","protocol":"LOCAL","remote":null,"tls":null}');
CREATE TABLE mailboxes (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL
);
INSERT INTO "mailboxes" VALUES(1,'bob@home.test',1795492210,4);
INSERT INTO "mailboxes" VALUES(2,'alice@home.test',1795492210,4);
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO "schema_version" VALUES(1);
CREATE TABLE steps (
    letter TEXT NOT NULL,
    seq INTEGER NOT NULL, -- grows within the process that wrote it; parts steps of the same instant
    at REAL NOT NULL,
    office TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (letter, seq)
) WITHOUT ROWID;
INSERT INTO "steps" VALUES('1m85tsssxayc327',1795492210398609,1.79549221049337673e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["bob@home.test"],"size":275,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tsssxayc327',1795492210398610,1.79549221049337673e+09,'mx.home.test','routed','{"recipient":"bob@home.test","via":"mailbox","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m85tsssxayc327',1795492210398611,1.79549221049337673e+09,'mx.home.test','delivered','{"recipient":"bob@home.test","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m85tsssxayc327',1795492210398642,1.79549221057041692e+09,'mx.home.test','collected','{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}');
INSERT INTO "steps" VALUES('1m85tsssxayc327',1795492215940328,1.7954922159984734e+09,'mx.home.test','collected','{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}');
INSERT INTO "steps" VALUES('1m85tsst0de9gg4',1795492210398612,1.79549221051582407e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["bob@home.test"],"size":72310,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tsst0de9gg4',1795492210398613,1.79549221051582407e+09,'mx.home.test','routed','{"recipient":"bob@home.test","via":"mailbox","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m85tsst0de9gg4',1795492210398614,1.79549221051582407e+09,'mx.home.test','delivered','{"recipient":"bob@home.test","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m85tsst0de9gg4',1795492215940329,1.79549221599934148e+09,'mx.home.test','collected','{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492210398615,1.79549221052496981e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["alice@home.test","bob@home.test"],"size":258,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492210398616,1.79549221052496981e+09,'mx.home.test','routed','{"recipient":"alice@home.test","via":"mailbox","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492210398617,1.79549221052496981e+09,'mx.home.test','routed','{"recipient":"bob@home.test","via":"mailbox","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492210398618,1.79549221052496981e+09,'mx.home.test','delivered','{"recipient":"alice@home.test","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492210398619,1.79549221052496981e+09,'mx.home.test','delivered','{"recipient":"bob@home.test","mailbox":"bob@home.test"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492210398643,1.79549221057070946e+09,'mx.home.test','collected','{"by":"bob@home.test","client":"127.0.0.1","protocol":"pop3"}');
INSERT INTO "steps" VALUES('1m85tsstwc28anm',1795492215940325,1.79549221599321174e+09,'mx.home.test','collected','{"by":"alice@home.test","client":"127.0.0.1","protocol":"pop3"}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492210398620,1.79549221053040671e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["team@home.test"],"size":290,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492210398621,1.79549221053040671e+09,'mx.home.test','routed','{"recipient":"team@home.test","via":"alias","targets":["alice@home.test","carol@elsewhere.test"]}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492210398622,1.79549221053040671e+09,'mx.home.test','delivered','{"recipient":"alice@home.test","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492210398623,1.79549221053240442e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492210398624,1.79549221053240442e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: connection refused"]}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492210398625,1.79549221053290891e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused","host":"127.0.0.1","next_attempt":"2026-11-24T04:46:51.359298Z","warned":false}');
INSERT INTO "steps" VALUES('1m85tssv1w4733n',1795492215940326,1.79549221599410033e+09,'mx.home.test','collected','{"by":"alice@home.test","client":"127.0.0.1","protocol":"pop3"}');
INSERT INTO "steps" VALUES('1m85tssvb1rjwnk',1795492210398626,1.79549221053992676e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":290,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tssvb1rjwnk',1795492210398627,1.79549221054122471e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m85tssvb1rjwnk',1795492210398628,1.79549221054122471e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: connection refused"]}');
INSERT INTO "steps" VALUES('1m85tssvb1rjwnk',1795492210398629,1.79549221054162549e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused","host":"127.0.0.1","next_attempt":"2026-11-24T04:49:16.134329Z","warned":false}');
INSERT INTO "steps" VALUES('1m85tssvjhyg8c2',1795492210398630,1.79549221054736733e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":282,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tssvjhyg8c2',1795492210398631,1.79549221054797101e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m85tssvjhyg8c2',1795492210398632,1.79549221054797101e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: connection refused"]}');
INSERT INTO "steps" VALUES('1m85tssvjhyg8c2',1795492210398633,1.79549221054824399e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused","host":"127.0.0.1","next_attempt":"2026-11-24T04:46:50.800926Z","warned":false}');
INSERT INTO "steps" VALUES('1m85tssvjhyg8c2',1795492213014631,1.79549221306697487e+09,'mx.home.test','held','{"recipient":"carol@elsewhere.test","by":"operator"}');
INSERT INTO "steps" VALUES('1m85tssvt6nw2s8',1795492210398634,1.79549221055465936e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":288,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tssvt6nw2s8',1795492210398635,1.79549221055510783e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m85tssvt6nw2s8',1795492210398636,1.79549221055510783e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: connection refused"]}');
INSERT INTO "steps" VALUES('1m85tssvt6nw2s8',1795492210398637,1.79549221055539035e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused","host":"127.0.0.1","next_attempt":"2026-11-24T04:46:09.716399Z","warned":false}');
INSERT INTO "steps" VALUES('1m85tssvt6nw2s8',1795492213242494,1.79549221328659653e+09,'mx.home.test','bounced','{"recipient":"carol@elsewhere.test","by":"operator","report":"1m85tswh6pxeyfk"}');
INSERT INTO "steps" VALUES('1m85tssvz151w6v',1795492210398638,1.79549221055960679e+09,'mx.home.test','submitted','{"sender":"alice@home.test","recipients":["carol@elsewhere.test"],"size":288,"protocol":"ESMTPA","client":"127.0.0.1","helo":"[127.0.0.1]","by":"alice@home.test","mechanism":"PLAIN"}');
INSERT INTO "steps" VALUES('1m85tssvz151w6v',1795492210398639,1.7954922105600686e+09,'mx.home.test','routed','{"recipients":["carol@elsewhere.test"],"via":"127.0.0.1","why":"route elsewhere.test","candidates":[{"host":"127.0.0.1","address":"127.0.0.1","port":1,"why":"route elsewhere.test"}]}');
INSERT INTO "steps" VALUES('1m85tssvz151w6v',1795492210398640,1.7954922105600686e+09,'mx.home.test','attempted','{"recipients":["carol@elsewhere.test"],"host":"127.0.0.1","dialogue":["-- 127.0.0.1 [127.0.0.1]:1: connection refused"]}');
INSERT INTO "steps" VALUES('1m85tssvz151w6v',1795492210398641,1.7954922105603466e+09,'mx.home.test','deferred','{"recipient":"carol@elsewhere.test","status":"4.4.1","reply":"127.0.0.1: connection refused","host":"127.0.0.1","next_attempt":"2026-11-24T04:45:12.678731Z","warned":false}');
INSERT INTO "steps" VALUES('1m85tssvz151w6v',1795492213499042,1.79549221354435038e+09,'mx.home.test','removed','{"recipient":"carol@elsewhere.test","by":"operator"}');
INSERT INTO "steps" VALUES('1m85tswh6pxeyfk',1795492210398644,1.79549221351371693e+09,'mx.home.test','delivered','{"recipient":"alice@home.test","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m85tswh6pxeyfk',1795492213242495,1.79549221328659653e+09,'mx.home.test','submitted','{"sender":"","recipients":["alice@home.test"],"size":1661,"protocol":"LOCAL","by":"mailstack","report":"failed","original":"1m85tssvt6nw2s8"}');
INSERT INTO "steps" VALUES('1m85tswh6pxeyfk',1795492213242496,1.79549221328659653e+09,'mx.home.test','routed','{"recipient":"alice@home.test","via":"mailbox","mailbox":"alice@home.test"}');
INSERT INTO "steps" VALUES('1m85tswh6pxeyfk',1795492215940327,1.7954922159942851e+09,'mx.home.test','collected','{"by":"alice@home.test","client":"127.0.0.1","protocol":"pop3"}');
CREATE INDEX letters_by_arrival ON letters (arrived, id);
CREATE INDEX letters_by_sender ON letters (sender, arrived);
CREATE INDEX contents_in_files ON contents (file) WHERE file IS NOT NULL;
CREATE INDEX deliveries_owed ON deliveries (office, waits_until) WHERE waits_until IS NOT NULL;
CREATE INDEX deliveries_by_address ON deliveries (address);
CREATE INDEX deliveries_by_original ON deliveries (original) WHERE original IS NOT NULL;
CREATE UNIQUE INDEX entries_by_delivery ON entries (letter, number);
CREATE INDEX aliases_by_target ON aliases (leads_to);
COMMIT;
