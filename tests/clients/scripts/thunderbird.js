// What a person does in Thunderbird's account set-up, with Thunderbird's own modules: find the settings, log in, send, fetch.
const { FetchConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FetchConfig.sys.mjs");
const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
const { ConfigVerifier } = ChromeUtils.importESModule("resource:///modules/accountcreation/ConfigVerifier.sys.mjs");
const { CreateInBackend } = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const [address, password, authority] = given;

// "Trust this CA", as a person answers in the settings.
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(authority, "C,,");

const config = await FetchConfig.fromDB(address.split("@")[1], new AbortController().signal);
AccountConfig.replaceVariables(config, "Bob", address, password);
const found = {
    incoming: [config.incoming.type, config.incoming.hostname, config.incoming.port, config.incoming.socketType, config.incoming.auth, config.incoming.username],
    outgoing: [config.outgoing.hostname, config.outgoing.port, config.outgoing.socketType, config.outgoing.auth, config.outgoing.username],
};
await new ConfigVerifier(null, new AbortController().signal).verifyConfig(config, false);
const account = await CreateInBackend.createAccountInBackend(config);
const server = account.incomingServer;
const identity = account.defaultIdentity;
// A copy in "Sent" is not what is tried here.
identity.doFcc = false;

async function send() {
    const file = Services.dirsvc.get("TmpD", Ci.nsIFile);
    file.append("letter.eml");
    file.createUnique(Ci.nsIFile.NORMAL_FILE_TYPE, 0o600);
    const letter = ["From", "To"].map((name) => `${name}: ${address}\r\n`).join("");
    await IOUtils.writeUTF8(
        file.path,
        `${letter}Subject: =?utf-8?Q?From_Thunderbird:_Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n\r\nSent with a login.\r\n`,
    );
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    Object.assign(fields, { from: address, to: address });
    await new Promise((resolve, reject) => {
        Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend).sendMessageFile(
            identity,
            account.key,
            fields,
            file,
            true,
            false,
            Ci.nsIMsgSend.nsMsgDeliverNow,
            null,
            {
                QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
                onStartSending() {},
                onSendProgress() {},
                onStatus() {},
                onGetDraftFolderURI() {},
                onSendNotPerformed: () => reject(new Error("not sent")),
                onTransportSecurityError: (_id, status) => reject(new Error(`not sent: TLS, ${status.toString(16)}`)),
                onStopSending: (_id, status) =>
                    Components.isSuccessCode(status) ? resolve() : reject(new Error(`not sent: ${status.toString(16)}`)),
            },
            null,
            null,
        );
    });
}

// What `find` gives, once that is true; folders of an IMAP account appear one after the other.
async function until(find, what) {
    for (let tries = 0; tries < 600; tries++) {
        const found = find();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${what} has not come`);
}

async function fetchMail() {
    server.performExpand(null);
    const inbox = await until(() => server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox), "the inbox");
    await new Promise((resolve, reject) => {
        server.getNewMessages(inbox, null, {
            QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
            OnStartRunningUrl() {},
            OnStopRunningUrl: (_url, status) =>
                Components.isSuccessCode(status) ? resolve() : reject(new Error(`not fetched: ${status.toString(16)}`)),
        });
    });
    const subjects = () => [...inbox.messages].map((each) => each.mime2DecodedSubject);
    await until(() => subjects().length, "the message");
    return subjects();
}

await send();
return { ...found, subjects: await fetchMail() };
