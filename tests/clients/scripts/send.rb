# net/smtp: HOST PORT (starttls|tls) CA USER PASSWORD MECHANISM FROM TO FILE
require 'net/smtp'
host, port, mode, ca, user, password, mechanism, from, to, file = ARGV
context = OpenSSL::SSL::SSLContext.new
context.ca_file = ca
context.verify_mode = OpenSSL::SSL::VERIFY_PEER
context.verify_hostname = true
smtp = Net::SMTP.new(host, port.to_i)
if mode == 'tls' then smtp.disable_starttls; smtp.enable_tls(context) else smtp.enable_starttls(context) end
smtp.start(helo: 'client.test', user: user, secret: password, authtype: mechanism.downcase.to_sym) do |session|
  session.send_message(File.binread(file), Net::SMTP::Address.new(from, BODY: '8BITMIME'), to)
end
