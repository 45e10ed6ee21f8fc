/** Settings of frameworks: those of docs/howto/your-framework.md, written by `python -m tests.docs`. */

/** Name, text above the settings, settings without and with TLS and a login (lines), text below them. */
export const FRAMEWORKS = [
    {
        name: "Django",
        about: "Django 6.1 and later, `settings.py`:",
        ways: [
            [
                "MAILERS = {",
                "    \"default\": {",
                "        \"BACKEND\": \"django.core.mail.backends.smtp.EmailBackend\",",
                "        \"OPTIONS\": {\"host\": \"127.0.0.1\", \"port\": 1025},",
                "    },",
                "}",
            ],
            [
                "MAILERS = {",
                "    \"default\": {",
                "        \"BACKEND\": \"django.core.mail.backends.smtp.EmailBackend\",",
                "        \"OPTIONS\": {",
                "            \"host\": \"localhost\",",
                "            \"port\": 1587,",
                "            \"use_tls\": True,",
                "            \"username\": \"alice@home.test\",",
                "            \"password\": \"alice\",",
                "        },",
                "    },",
                "}",
            ],
        ],
        note: "",
    },
    {
        name: "Django before 6.1",
        about: "`settings.py`; Django 6.1 accepts these settings with a deprecation warning:",
        ways: [
            [
                "EMAIL_HOST = \"127.0.0.1\"",
                "EMAIL_PORT = 1025",
            ],
            [
                "EMAIL_HOST = \"localhost\"",
                "EMAIL_PORT = 1587",
                "EMAIL_USE_TLS = True",
                "EMAIL_HOST_USER = \"alice@home.test\"",
                "EMAIL_HOST_PASSWORD = \"alice\"",
            ],
        ],
        note: "",
    },
    {
        name: "Flask",
        about: "With Flask-Mail:",
        ways: [
            [
                "app.config.update(MAIL_SERVER=\"127.0.0.1\", MAIL_PORT=1025)",
            ],
            [
                "app.config.update(",
                "    MAIL_SERVER=\"localhost\",",
                "    MAIL_PORT=1587,",
                "    MAIL_USE_TLS=True,",
                "    MAIL_USERNAME=\"alice@home.test\",",
                "    MAIL_PASSWORD=\"alice\",",
                ")",
            ],
        ],
        note: "",
    },
    {
        name: "FastAPI",
        about: "With fastapi-mail. It refuses addresses in `.test`, so the account is another one:",
        ways: [
            [
                "settings = ConnectionConfig(",
                "    MAIL_SERVER=\"127.0.0.1\",",
                "    MAIL_PORT=1025,",
                "    MAIL_FROM=\"noreply@example.org\",",
                "    MAIL_STARTTLS=False,",
                "    MAIL_SSL_TLS=False,",
                "    USE_CREDENTIALS=False,",
                "    MAIL_USERNAME=\"\",",
                "    MAIL_PASSWORD=\"\",",
                ")",
            ],
            [
                "settings = ConnectionConfig(",
                "    MAIL_SERVER=\"localhost\",",
                "    MAIL_PORT=1587,",
                "    MAIL_FROM=\"noreply@example.org\",",
                "    MAIL_STARTTLS=True,",
                "    MAIL_SSL_TLS=False,",
                "    MAIL_USERNAME=\"noreply@example.org\",",
                "    MAIL_PASSWORD=\"noreply@example.org\",",
                ")",
            ],
        ],
        note: "",
    },
    {
        name: "Rails",
        about: "`config/environments/development.rb`:",
        ways: [
            [
                "config.action_mailer.delivery_method = :smtp",
                "config.action_mailer.smtp_settings = {address: \"127.0.0.1\", port: 1025}",
            ],
            [
                "config.action_mailer.delivery_method = :smtp",
                "config.action_mailer.smtp_settings = {",
                "  address: \"localhost\", port: 1587, enable_starttls: true,",
                "  authentication: :plain, user_name: \"alice@home.test\", password: \"alice\"",
                "}",
            ],
        ],
        note: "",
    },
    {
        name: "Nodemailer",
        about: "",
        ways: [
            [
                "const transport = nodemailer.createTransport({host: '127.0.0.1', port: 1025});",
            ],
            [
                "const transport = nodemailer.createTransport({",
                "  host: 'localhost', port: 1587, requireTLS: true, auth: {user: 'alice@home.test', pass: 'alice'},",
                "});",
            ],
        ],
        note: "",
    },
    {
        name: "Symfony",
        about: "`.env.local`:",
        ways: [
            [
                "MAILER_DSN='smtp://127.0.0.1:1025'",
            ],
            [
                "MAILER_DSN='smtp://alice%40home.test:alice@localhost:1587'",
            ],
        ],
        note: "",
    },
    {
        name: "Laravel",
        about: "`.env`:",
        ways: [
            [
                "MAIL_MAILER=smtp",
                "MAIL_URL=\"smtp://127.0.0.1:1025\"",
            ],
            [
                "MAIL_MAILER=smtp",
                "MAIL_HOST=localhost",
                "MAIL_PORT=1587",
                "MAIL_USERNAME=alice@home.test",
                "MAIL_PASSWORD=alice",
            ],
        ],
        note: "",
    },
    {
        name: "Spring",
        about: "`application.properties`:",
        ways: [
            [
                "spring.mail.host=127.0.0.1",
                "spring.mail.port=1025",
            ],
            [
                "spring.mail.host=localhost",
                "spring.mail.port=1587",
                "spring.mail.username=alice@home.test",
                "spring.mail.password=alice",
                "spring.mail.properties.mail.smtp.auth=true",
                "spring.mail.properties.mail.smtp.starttls.required=true",
            ],
        ],
        note: "Java has a trust store of its own. Add the CA to one with `keytool -importcert -noprompt -alias mailstack -file ca.pem -keystore trust.p12 -storepass changeit`. Start Java with `-Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit`.",
    },
    {
        name: "Go",
        about: "",
        ways: [
            [
                "func send(from string, to string, message []byte) error {",
                "\treturn smtp.SendMail(\"127.0.0.1:1025\", nil, from, []string{to}, message)",
                "}",
            ],
            [
                "func send(from string, to string, message []byte) error {",
                "\tlogin := smtp.PlainAuth(\"\", \"alice@home.test\", \"alice\", \"localhost\")",
                "\treturn smtp.SendMail(\"localhost:1587\", login, from, []string{to}, message)",
                "}",
            ],
        ],
        note: "",
    },
    {
        name: ".NET",
        about: "`System.Net.Mail`:",
        ways: [
            [
                "using var client = new SmtpClient(\"127.0.0.1\", 1025);",
            ],
            [
                "using var client = new SmtpClient(\"localhost\", 1587)",
                "{",
                "    EnableSsl = true,",
                "    Credentials = new NetworkCredential(\"alice@home.test\", \"alice\"),",
                "};",
            ],
        ],
        note: "",
    },
    {
        name: "PHP mail()",
        about: "`php.ini`. The function starts a program, which finds the dev environment:",
        ways: [
            [
                "sendmail_path = \"mailstack-sendmail -t -i\"",
            ],
        ],
        note: "",
    },
    {
        name: "WordPress",
        about: "A plugin of a few lines, as `wp-content/mu-plugins/mailstack.php`, below its `<?php`:",
        ways: [
            [
                "add_action('phpmailer_init', function ($phpmailer) {",
                "    $phpmailer->isSMTP();",
                "    $phpmailer->Host = '127.0.0.1';",
                "    $phpmailer->Port = 1025;",
                "});",
            ],
            [
                "add_action('phpmailer_init', function ($phpmailer) {",
                "    $phpmailer->isSMTP();",
                "    $phpmailer->Host = 'localhost';",
                "    $phpmailer->Port = 1587;",
                "    $phpmailer->SMTPSecure = 'tls';",
                "    $phpmailer->SMTPAuth = true;",
                "    $phpmailer->Username = 'alice@home.test';",
                "    $phpmailer->Password = 'alice';",
                "});",
            ],
        ],
        note: "",
    },
];
