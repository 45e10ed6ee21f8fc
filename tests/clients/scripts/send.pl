# Net::SMTP: HOST PORT (starttls|tls) CA USER PASSWORD MECHANISM FROM TO FILE
use strict; use warnings; use Net::SMTP; use Authen::SASL;
my ($host, $port, $mode, $ca, $user, $password, $mechanism, $from, $to, $file) = @ARGV;
my %tls = (SSL_ca_file => $ca, SSL_verify_mode => 1);
my $smtp = Net::SMTP->new($host, Port => $port, Timeout => 20, SSL => $mode eq 'tls', %tls) or die "connect: $@";
$mode eq 'tls' or $smtp->starttls(%tls) or die 'starttls: ' . $smtp->message;
my $sasl = Authen::SASL->new(mechanism => $mechanism, callback => {user => $user, pass => $password, authname => $user});
$smtp->auth($sasl) or die 'auth: ' . $smtp->message;
my $letter = do { open my $in, '<:raw', $file or die $!; local $/; <$in> }; $letter =~ s/\r\n/\n/g;
$smtp->mail($from) && $smtp->to($to) && $smtp->data($letter) or die 'letter: ' . $smtp->message;
$smtp->quit or die 'quit: ' . $smtp->message;
