<?php // PHPMailer, which composes the letter itself: HOST PORT (starttls|tls) CA USER PASSWORD MECHANISM FROM TO FILE
require '/usr/share/php/libphp-phpmailer/autoload.php';
[, $host, $port, $mode, $ca, $user, $password, $mechanism, $from, $to, $file] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = $host; $mail->Port = (int) $port; $mail->Timeout = 20;
$mail->SMTPSecure = $mode === 'tls' ? 'ssl' : 'tls';
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca, 'verify_peer' => true, 'verify_peer_name' => true]];
$mail->SMTPAuth = true; $mail->AuthType = $mechanism; $mail->Username = $user; $mail->Password = $password;
$mail->setFrom($from, 'Älice'); $mail->addAddress($to);
$mail->Subject = 'composed'; $mail->CharSet = 'utf-8'; $mail->Encoding = '8bit';
$mail->Body = file_get_contents($file);
$mail->addStringAttachment(file_get_contents($file), 'attached.eml');
$mail->send();
