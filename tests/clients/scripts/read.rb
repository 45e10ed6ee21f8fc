# net/pop, over implicit TLS only: HOST PORT tls CA USER PASSWORD FOLDER
require 'net/pop'
host, port, _mode, ca, user, password, folder = ARGV
pop = Net::POP3.new(host, port.to_i)
pop.enable_ssl(OpenSSL::SSL::VERIFY_PEER, ca)
pop.start(user, password) do
  pop.each_mail do |mail|
    letter = mail.pop
    raise "LIST #{mail.length} RETR #{letter.bytesize}" if mail.length != letter.bytesize
    File.binwrite("#{folder}/#{mail.unique_id}", letter)
  end
end
