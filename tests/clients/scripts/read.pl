# Net::POP3: HOST PORT (stls|tls) CA USER PASSWORD FOLDER
use strict; use warnings; use Net::POP3;
my ($host, $port, $mode, $ca, $user, $password, $folder) = @ARGV;
my %tls = (SSL_ca_file => $ca, SSL_verify_mode => 1);
my $pop = Net::POP3->new($host, Port => $port, Timeout => 20, SSL => $mode eq 'tls', %tls) or die "connect: $@";
$mode eq 'tls' or $pop->starttls(%tls) or die 'stls: ' . $pop->message;
defined $pop->login($user, $password) or die 'login: ' . $pop->message;
my $sizes = $pop->list; my $names = $pop->uidl;
for my $number (sort keys %$sizes) {
    my $lines = $pop->get($number) or die "retr $number";
    my $letter = join '', @$lines; $letter =~ s/\r?\n/\r\n/g;
    length $letter == $sizes->{$number} or die "letter $number: LIST $sizes->{$number}, RETR " . length $letter;
    open my $out, '>:raw', "$folder/$names->{$number}" or die $!; print $out $letter; close $out;
}
$pop->quit;
