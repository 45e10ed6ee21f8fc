// nodemailer: HOST PORT (starttls|tls) CA USER PASSWORD MECHANISM FROM TO FILE
const [host, port, mode, ca, user, pass, method, from, to, file] = process.argv.slice(2);
const fs = require('fs');
const transport = require('nodemailer').createTransport({
  host, port: Number(port), secure: mode === 'tls', requireTLS: true, authMethod: method,
  auth: {user, pass}, tls: {ca: fs.readFileSync(ca)}, connectionTimeout: 20000, socketTimeout: 20000,
});
transport.sendMail({envelope: {from, to, use8BitMime: true}, raw: fs.readFileSync(file)}).then(
  () => transport.close(), error => { console.error(error.message); process.exit(1); });
