# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_bulla_global_optspecs
    string join \n format= color= progress= h/help V/version
end

function __fish_bulla_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_bulla_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_bulla_using_subcommand
    set -l cmd (__fish_bulla_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c bulla -n "__fish_bulla_needs_command" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_needs_command" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_needs_command" -s V -l version -d 'Print version'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "keygen" -d 'Make a private key, or write the public half of one'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "csr" -d 'Make a certificate request (PKCS#10) from a key and a profile'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "enroll" -d 'Get a certificate from a CA, for a request or a key'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "renew" -d 'Renew a certificate: the same names and profile, by default for a new key'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "revoke" -d 'Revoke certificates, or release them from hold'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "sign" -d 'Sign a firmware image or any file'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "verify" -d 'Check a signature as the device would check it'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "verify-chain" -d 'Check a certificate and the chain that vouches for it'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "inspect" -d 'Say what a file is and what is in it'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "ca" -d 'Administer an embedded CA'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "imgtool" -d 'Sign and verify MCUboot images by the command lines of imgtool'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "espsecure" -d 'Sign and verify ESP32 images by the command lines of espsecure'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "profile" -d 'See and check certificate profiles'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "doctor" -d 'Examine a CA\'s server: what it offers, and what is wrong with it'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "man" -d 'Print a man page'
complete -c bulla -n "__fish_bulla_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l type -d 'The type of the key; x25519 decrypts and cannot sign' -r -f -a "p256\t''
p384\t''
ed25519\t''
rsa2048\t''
rsa3072\t''
rsa4096\t''
x25519\t''"
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -s o -l output -d 'Where the key goes; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l encoding -d 'How it is encoded' -r -f -a "pem\t''
der\t''
c\t'A public key as an array in C, with the names that MCUboot knows'
rust\t'The same in Rust'
minisign\t'The public key file of minisign, which takes Ed25519 keys'"
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l passphrase-from -d 'Encrypt the key with a passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l kdf -d 'The key derivation of the encryption' -r -f -a "scrypt\t'scrypt, N=2^14'
pbkdf2\t'PBKDF2 with HMAC-SHA-256, 600,000 rounds'"
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l public -d 'Write the public half of KEY instead of making a key'
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -l force -d 'Replace an existing file; a private key is kept as a numbered .bak'
complete -c bulla -n "__fish_bulla_using_subcommand keygen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l profile -d 'The certificate profile: a name that `bulla profile list` has, or a file that ends in .toml' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -s o -l output -d 'Where the request goes; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l encoding -d 'How it is encoded' -r -f -a "pem\t''
der\t''"
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l passphrase-from -d 'The key\'s passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l subject -d 'Subject attributes in order, as `O=Acme, OU=a, OU=b`; before --serial and --cn' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l serial -d 'Subject serialNumber: the device\'s serial number' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l cn -d 'Subject commonName' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l dns -d 'Alternative name: a DNS name' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l ip -d 'Alternative name: an IP address' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l uri -d 'Alternative name: a URI' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l email -d 'Alternative name: an e-mail address' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l hw-module -d 'Alternative name: hardwareModuleName (RFC 4108), as TYPE-OID:SERIAL or TYPE-OID:hex:DIGITS' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l permanent-id -d 'Alternative name: permanentIdentifier (RFC 4043), as VALUE or VALUE,ASSIGNER-OID' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l set -d 'A variable of the profile, from which it makes names of its own' -r
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand csr" -l force -d 'Replace an existing file'
complete -c bulla -n "__fish_bulla_using_subcommand csr" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l key -d 'Make the request in memory, from this private key and the name flags' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l profile -d 'The certificate profile: its name or file; may be left out where the issuer serves only one' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l reason -d 'Why it is revoked (RFC 5280 section 5.3.1)' -r -f -a "unspecified\t''
keyCompromise\t''
cACompromise\t''
affiliationChanged\t''
superseded\t''
cessationOfOperation\t''
privilegeWithdrawn\t''
aACompromise\t''"
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l valid-for -d 'How long the certificate is valid instead of the profile\'s time, as 90d or 20y' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -s o -l output -d 'Where the certificate chain goes; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l passphrase-from -d 'The passphrase of --key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l ca -d 'The CA: its folder, or one of its issuers, as acme/device; or its server, as est://host[:port][/label]' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l subject -d 'Subject attributes in order, as `O=Acme, OU=a, OU=b`; before --serial and --cn' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l serial -d 'Subject serialNumber: the device\'s serial number' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l cn -d 'Subject commonName' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l dns -d 'Alternative name: a DNS name' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l ip -d 'Alternative name: an IP address' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l uri -d 'Alternative name: a URI' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l email -d 'Alternative name: an e-mail address' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l hw-module -d 'Alternative name: hardwareModuleName (RFC 4108), as TYPE-OID:SERIAL or TYPE-OID:hex:DIGITS' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l permanent-id -d 'Alternative name: permanentIdentifier (RFC 4043), as VALUE or VALUE,ASSIGNER-OID' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l set -d 'A variable of the profile, from which it makes names of its own' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l key-out -d 'Where that private key goes' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l token-from -d 'The token that the CA gave out: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l user -d 'The user name that goes with the token, by HTTP Basic; without one the token goes as Bearer' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l client-cert -d 'The certificate to show to the server, with those of its CAs' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l client-key -d 'The private key of that certificate' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l client-passphrase-from -d 'The passphrase of --client-key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l trust -d 'Certificates of CAs that vouch for the server and for what it issues' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l server-trust -d 'Certificates of CAs that vouch for the server alone; what it issues is vouched for by --trust, or by the CA certificates that it gives out, which --ca-out keeps' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l ca-fingerprint -d 'The SHA-256 of the CA\'s root certificate: fetches that root, and trusts it as --trust does' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l ca-out -d 'Where the root certificates that were fetched go' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l wait -d 'How long to wait for a CA that decides later, as 30s, 10m, 2h or 1d; without it the exit code is 6' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l timeout -d 'How long the server may take to connect, and for each request, in seconds; 10 and 30 where not said' -r
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l supersede -d 'Revoke the certificate that the identity has for another key, for --reason'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l allow-outlive -d 'Allow a certificate that is valid for longer than its issuer'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l force -d 'Replace an existing file'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l server-keygen -d 'Let the server make the key, too (RFC 7030 section 4.4)'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -l encrypt-key -d 'Have that key encrypted to the key of --client-cert, beyond the connection (RFC 7030 section 4.4.1.2)'
complete -c bulla -n "__fish_bulla_using_subcommand enroll" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l key -d 'The new private key; with --keep-key, the one that the certificate has' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l csr -d 'A request made with the new key, where that stays in the device' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l profile -d 'The profile: its file, where it is not one that the CA\'s folder knows by name; its name or file with a server' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l valid-for -d 'How long the certificate is valid instead of the profile\'s time, as 90d or 20y' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -s o -l output -d 'Where the certificate chain goes; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l passphrase-from -d 'The passphrase of --key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l ca -d 'The CA: its folder, or one of its issuers, as acme/device; or its server, as est://host[:port][/label]' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l token-from -d 'The token that the CA gave out: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l user -d 'The user name that goes with the token, by HTTP Basic; without one the token goes as Bearer' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l client-cert -d 'The certificate to show to the server, with those of its CAs' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l client-key -d 'The private key of that certificate' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l client-passphrase-from -d 'The passphrase of --client-key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l trust -d 'Certificates of CAs that vouch for the server and for what it issues' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l server-trust -d 'Certificates of CAs that vouch for the server alone; what it issues is vouched for by --trust, or by the CA certificates that it gives out, which --ca-out keeps' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l ca-fingerprint -d 'The SHA-256 of the CA\'s root certificate: fetches that root, and trusts it as --trust does' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l ca-out -d 'Where the root certificates that were fetched go' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l wait -d 'How long to wait for a CA that decides later, as 30s, 10m, 2h or 1d; without it the exit code is 6' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l timeout -d 'How long the server may take to connect, and for each request, in seconds; 10 and 30 where not said' -r
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l keep-key -d 'Keep the key'
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l allow-outlive -d 'Allow a certificate that is valid for longer than its issuer'
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l force -d 'Replace an existing file'
complete -c bulla -n "__fish_bulla_using_subcommand renew" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand renew" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l serial -d 'The certificate with this serial number' -r
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l identity -d 'Certificates of this identity, as SN-42 or serialNumber=SN-42' -r
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l profile -d 'Certificates of this profile' -r
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l issued-between -d 'Certificates issued in this time, as 2026-11-22 2026-11-23; the end is left out' -r
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l reason -d 'Why (RFC 5280 section 5.3.1)' -r -f -a "unspecified\t''
keyCompromise\t''
cACompromise\t''
affiliationChanged\t''
superseded\t''
cessationOfOperation\t''
certificateHold\t''
removeFromCRL\t''
privilegeWithdrawn\t''
aACompromise\t''"
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l ca -d 'The CA: its folder, or one of its issuers, as acme/device' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l dry-run -d 'Say what would be revoked, and revoke nothing'
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l as -d 'The format of the signature or image' -r -f -a "raw\t'The bare signature over the whole file'
cms\t'CMS SignedData over the whole file, for openssl'
minisign\t'The signature file of minisign, for Ed25519 keys'
mcuboot\t'Image for the MCUboot bootloader, as imgtool makes it'
esp32\t'Image for an ESP32 with Secure Boot v2, as espsecure signs it'
rauc\t'Update bundle of RAUC, made of a folder or a squashfs'
swupdate\t'Update archive of SWUpdate, made of a folder or an archive'"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l key -d 'The private key' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l passphrase-from -d 'The key\'s passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l cert -d 'The signer\'s certificate, and those above it; cms, rauc and swupdate need it, the others only check it' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l purpose -d 'What the certificate must be for' -r -f -a "firmware\t'A signer of firmware: no CA; extKeyUsage codeSigning and keyUsage digitalSignature'
tls-client\t'A TLS client: extKeyUsage clientAuth, or none'
tls-server\t'A TLS server: extKeyUsage serverAuth, or none'
idevid\t'A device\'s identity from its maker: no CA; extKeyUsage clientAuth, or none'
webpki\t'A server of the public web, by the CA/Browser Forum\'s rules'
any\t'No rule about its use'"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -s o -l output -d 'Where the signature or signed image goes; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l remove -d 'Take the signature of this public key out of the image; mcuboot and esp32' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l prepare -d 'Write what another tool has to sign, as NAME.tbs and NAME.json' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l public-key -d 'The public half of the key that is to sign' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l attach -d 'What was prepared, NAME.json' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l signature -d 'The signature that another tool made' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l hash -d 'The hash; by default the one that goes with the key' -r -f -a "sha256\t''
sha384\t''
sha512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l rsa -d 'The padding of RSA signatures; by default pss with raw, else pkcs1' -r -f -a "pss\t''
pkcs1\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l ecdsa -d 'The encoding of an ECDSA signature: der, or p1363 for r||s' -r -f -a "der\t''
p1363\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l trusted-comment -d 'A line of text that is signed too; by default the time and the file\'s name' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l untrusted-comment -d 'A line of text that is not signed' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l version -d 'The image\'s version, as 1.2.3+4; needed for a new image' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l header-size -d 'The size of the header, 32 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l slot-size -d 'The size of the slot; image and trailer have to fit in it' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l align -d 'The bytes that the flash writes at once, 1 by default' -r -f -a "1\t''
2\t''
4\t''
8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l max-align -d 'The larger such number of the two slots, where it is above 8' -r -f -a "8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l max-sectors -d 'The sectors that a swap can move, 128 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l security-counter -d 'The security counter; auto takes it from the version' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l dependency -d 'Another image, and the least version that it must have' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l boot-record -d 'Add a boot record for this type of software' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l custom-tlv -d 'Add a protected TLV; a value after 0x is hexadecimal' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l vid -d 'The vendor: a UUID, or a domain name that becomes one' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l cid -d 'The device class: a UUID, or a name that becomes one' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l load-addr -d 'The address in RAM where the image runs; 0 for none' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l rom-fixed -d 'The address in flash that the image is built for' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l hex-addr -d 'The address where the product starts in Intel HEX' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l erased-val -d 'What erased flash reads as, 0xff by default' -r -f -a "0\t''
0xff\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l endian -d 'The byte order of the device, little by default' -r -f -a "little\t''
big\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l public-key-format -d 'How the image names its key: by hash, as by default, or in full' -r -f -a "hash\t''
full\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l encrypt -d 'Encrypt the payload to the device\'s public key: RSA-2048, P-256 or X25519' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l encrypt-keylen -d 'The bits of the AES key, 128 by default' -r -f -a "128\t''
256\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l hmac-sha -d 'The SHA that guards the AES key, 256 by default' -r -f -a "256\t''
512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l decrypt-key -d 'The device\'s private key, which opens an encrypted image' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l decrypt-passphrase-from -d 'That key\'s passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l bundle-format -d 'The bundle\'s format; by default what the manifest says, else verity' -r -f -a "plain\t''
verity\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l verity-salt -d 'The salt of the digest tree, 64 digits; by default the SHA-256 of the manifest' -r
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l force -d 'Replace an existing file'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l allow-published-key -d 'Sign with a key whose private half is public, as those of development boards'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l add -d 'Keep the signatures that the image has, and add one; mcuboot and esp32 take several'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l replace -d 'Sign anew, without the signatures that the image has'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l pad-header -d 'Put the header before the image instead of into its blank start'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l overwrite-only -d 'Upgrades overwrite, so that the trailer has no swap status'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l pad -d 'Fill the slot, with a trailer that asks for an upgrade'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l confirm -d 'Like --pad, for an image that stays after its first boot'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l test -d 'Like --pad, for an image that is tried once'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l hex -d 'Write Intel HEX, as is done anyway where the image is Intel HEX'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l bin -d 'Write the bytes themselves where the image is Intel HEX'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l pad-sig -d 'Pad an ECDSA signature with zeros, for MCUboot before 1.5'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l non-bootable -d 'The image is a part that does not boot alone'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l pure -d 'Ed25519 signs the image itself and not its digest'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l clear -d 'The payload stays clear, for the primary slot of a device that encrypts'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l save-enctlv -d 'The trailer keeps encrypted keys, and so has to be larger'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -l unsigned -d 'Make an image without a signature'
complete -c bulla -n "__fish_bulla_using_subcommand sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l as -d 'The format of the signature or image' -r -f -a "raw\t'The bare signature over the whole file'
cms\t'CMS SignedData over the whole file, for openssl'
minisign\t'The signature file of minisign, for Ed25519 keys'
mcuboot\t'Image for the MCUboot bootloader, as imgtool makes it'
esp32\t'Image for an ESP32 with Secure Boot v2, as espsecure signs it'
rauc\t'Update bundle of RAUC, made of a folder or a squashfs'
swupdate\t'Update archive of SWUpdate, made of a folder or an archive'"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l batch -d 'Check the bare signatures that the lines of this file ask for; `-` is standard input' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l signature -d 'The detached signature; without it FILE holds its own' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l public-key -d 'Trust this public key to have signed' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l cert -d 'Trust this certificate to have signed; with --trust, the signer\'s chain, where the image has none with it' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l trust -d 'Trust whom these certificates vouch for; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l untrusted -d 'Certificates to build the chain with; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l purpose -d 'What the signer\'s certificate must be for' -r -f -a "firmware\t'A signer of firmware: no CA; extKeyUsage codeSigning and keyUsage digitalSignature'
tls-client\t'A TLS client: extKeyUsage clientAuth, or none'
tls-server\t'A TLS server: extKeyUsage serverAuth, or none'
idevid\t'A device\'s identity from its maker: no CA; extKeyUsage clientAuth, or none'
webpki\t'A server of the public web, by the CA/Browser Forum\'s rules'
any\t'No rule about its use'"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -s o -l output -d 'Write the verified bytes here; nothing where they do not verify' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l at -d 'Judge certificates at this time instead of now, as 2026-11-22T00:00:00Z' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l min-rsa -d 'The least length of an RSA key in bits' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l min-hash -d 'The shortest hash that any signature may use: on the file, on a certificate, list or response' -r -f -a "sha256\t''
sha384\t''
sha512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l max-path-length -d 'Most CAs between the certificate and a trusted one' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l crl -d 'Revocation lists, PEM or DER; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l ocsp -d 'OCSP responses, DER or PEM; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l revocation -d 'How much must be known of revocation; check where a list or response is given, else off' -r -f -a "require\t'Of every certificate but the trusted one that it is not revoked'
check\t'What is given: a certificate is refused that it revokes, or whose issuer\'s list or response does not hold; one of which it does not tell is accepted'
off\t'Nothing'"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l policy -d 'Accept this certificate policy, and require one that is accepted; may be given several times' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l min-security-counter -d 'The least security counter that the image may have' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l min-version -d 'The least version that the image may have, compared number by number' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l hardware -d 'The hardware that the image must be for: RAUC\'s compatible, or SWUpdate\'s BOARD:REVISION' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l signer-spki -d 'The SHA-256 of the signer\'s SubjectPublicKeyInfo, in hexadecimal' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l signer-cn -d 'The common name that the signer\'s certificate must have' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l signer-san -d 'A subject alternative name that the signer\'s certificate must have: dns:NAME, ip:ADDRESS, uri:URI or email:ADDRESS' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l hash -d 'The hash; by default the one that goes with the key' -r -f -a "sha256\t''
sha384\t''
sha512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l rsa -d 'The padding of RSA signatures; by default pss with raw, else pkcs1' -r -f -a "pss\t''
pkcs1\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l ecdsa -d 'The encoding of an ECDSA signature: der, or p1363 for r||s' -r -f -a "der\t''
p1363\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l slot-size -d 'The size of the slot; image and trailer have to fit in it' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l align -d 'The bytes that the flash writes at once, 1 by default' -r -f -a "1\t''
2\t''
4\t''
8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l max-align -d 'The larger such number of the two slots, where it is above 8' -r -f -a "8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l max-sectors -d 'The sectors that a swap can move, 128 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l erased-val -d 'What erased flash reads as, 0xff by default' -r -f -a "0\t''
0xff\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l endian -d 'The byte order of the device, little by default' -r -f -a "little\t''
big\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l public-key-format -d 'How the image names its key: by hash, as by default, or in full' -r -f -a "hash\t''
full\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l decrypt-key -d 'The device\'s private key, which opens an encrypted image' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l decrypt-passphrase-from -d 'That key\'s passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l check-purpose -d 'What the device\'s configuration says under check-purpose; smimesign where it says nothing' -r -f -a "smimesign\t''
codesign\t''
any\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l cert-purpose -d 'The extKeyUsage that the device asks for; by default emailProtection, or none' -r -f -a "emailProtection\t''
codeSigning\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l select -d 'The software set and mode that the device selects, as stable,main' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l force -d 'Replace an existing file'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l require-explicit-policy -d 'Require a certificate policy, whichever it is'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l inhibit-policy-mapping -d 'Let no certificate map a policy to another'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l inhibit-any-policy -d 'Let anyPolicy stand for no policy below a trusted certificate'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l require-prehashed -d 'Refuse a legacy signature, which goes over the file itself and not its digest'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l overwrite-only -d 'Upgrades overwrite, so that the trailer has no swap status'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l non-bootable -d 'The image is a part that does not boot alone'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l pure -d 'Ed25519 signs the image itself and not its digest'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l clear -d 'The payload stays clear, for the primary slot of a device that encrypts'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l save-enctlv -d 'The trailer keeps encrypted keys, and so has to be larger'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -l ignore-additional-certs -d 'The device is built with CMS_IGNORE_ADDITIONAL_CERTS, as Debian\'s: --trust has to have all issuers'
complete -c bulla -n "__fish_bulla_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l trust -d 'Trust whom these certificates vouch for; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l untrusted -d 'Certificates to build the chain with; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l purpose -d 'What the certificate must be for' -r -f -a "firmware\t'A signer of firmware: no CA; extKeyUsage codeSigning and keyUsage digitalSignature'
tls-client\t'A TLS client: extKeyUsage clientAuth, or none'
tls-server\t'A TLS server: extKeyUsage serverAuth, or none'
idevid\t'A device\'s identity from its maker: no CA; extKeyUsage clientAuth, or none'
webpki\t'A server of the public web, by the CA/Browser Forum\'s rules'
any\t'No rule about its use'"
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l name -d 'Whom it must be for: a host, an address, or dns:NAME, ip:ADDRESS, uri:URI, email:ADDRESS' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l at -d 'Judge certificates at this time instead of now, as 2026-11-22T00:00:00Z' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l min-rsa -d 'The least length of an RSA key in bits' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l min-hash -d 'The shortest hash that any signature may use: on the file, on a certificate, list or response' -r -f -a "sha256\t''
sha384\t''
sha512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l max-path-length -d 'Most CAs between the certificate and a trusted one' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l crl -d 'Revocation lists, PEM or DER; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l ocsp -d 'OCSP responses, DER or PEM; may be given several times' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l revocation -d 'How much must be known of revocation; check where a list or response is given, else off' -r -f -a "require\t'Of every certificate but the trusted one that it is not revoked'
check\t'What is given: a certificate is refused that it revokes, or whose issuer\'s list or response does not hold; one of which it does not tell is accepted'
off\t'Nothing'"
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l policy -d 'Accept this certificate policy, and require one that is accepted; may be given several times' -r
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l require-explicit-policy -d 'Require a certificate policy, whichever it is'
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l inhibit-policy-mapping -d 'Let no certificate map a policy to another'
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -l inhibit-any-policy -d 'Let anyPolicy stand for no policy below a trusted certificate'
complete -c bulla -n "__fish_bulla_using_subcommand verify-chain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand inspect" -l at -d 'The time for which validity is shown instead of now, as 2026-11-22T00:00:00Z' -r
complete -c bulla -n "__fish_bulla_using_subcommand inspect" -l passphrase-from -d 'Open an encrypted key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand inspect" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand inspect" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand inspect" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "init" -d 'Make a CA in a new folder: roots and issuing CAs for devices and firmware'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "import" -d 'Take in the certificate that another CA issued'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "renew-issuing" -d 'Give an issuing CA a new certificate under the same root'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "list" -d 'List the certificates that a CA has planned, issued and revoked'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "token" -d 'Make, list and take back the tokens by which devices enroll'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "approve" -d 'Approve or refuse requests that wait'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "crl" -d 'Issue a certificate revocation list'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "audit" -d 'Check the audit record of a CA, or of an exported file, and export it'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "backup" -d 'Copy a CA into a new folder while it runs'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "serve" -d 'Serve a CA over the network: EST, its revocation lists, and whether it is well'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and not __fish_seen_subcommand_from init import renew-issuing list token approve crl audit backup serve help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l name -d 'The organisation that the CA\'s certificates name' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l hierarchy -d 'The hierarchy that the CA is for; both where left out' -r -f -a "device\t''
firmware\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l type -d 'The type of the CA\'s keys' -r -f -a "p256\t''
p384\t''
ed25519\t''
rsa2048\t''
rsa3072\t''
rsa4096\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l ca-passphrase-from -d 'Encrypt the CA\'s keys with a passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l root-passphrase-from -d 'The passphrase of the root\'s key, where it is not that of the CA\'s keys' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l root -d 'Put the issuing CA under this one: its certificate, then those above it up to a self-signed root' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l root-key -d 'The key of --root, which is not copied' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l root-profile -d 'The profile of the root that is made' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l issuing-profile -d 'The profile of the issuing CA' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l set -d 'A variable of the profile, from which it makes names of its own' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l no-passphrase -d 'Leave the CA\'s keys unencrypted'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -l request-only -d 'Make a request for another CA to issue, in DIR/HIERARCHY/issuing.csr'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -l root -d 'The self-signed root, where it is not in the file' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l root-key -d 'The key of the CA above, where it is not in the CA\'s folder' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l root-passphrase-from -d 'The passphrase of the root\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l type -d 'The type of the new key' -r -f -a "p256\t''
p384\t''
ed25519\t''
rsa2048\t''
rsa3072\t''
rsa4096\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l issuing-profile -d 'The profile of the issuing CA' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l set -d 'A variable of the profile, from which it makes names of its own' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l keep-key -d 'Keep the issuing CA\'s key'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l no-passphrase -d 'Leave the new key unencrypted'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l request-only -d 'Make a request for another CA to issue, for `bulla ca import`'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from renew-issuing" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l serial -d 'The certificate with this serial number' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l identity -d 'Certificates of this identity, as SN-42 or serialNumber=SN-42' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l profile -d 'Certificates of this profile' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l issued-between -d 'Certificates issued in this time, as 2026-11-22 2026-11-23; the end is left out' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l state -d 'Only certificates in this state' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l expires-before -d 'Only certificates that end before this day or time' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l after -d 'Only what stands behind this cursor' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -f -a "new" -d 'Make a token'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -f -a "list" -d 'List the tokens of a CA'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -f -a "revoke" -d 'Take a token back'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from token" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l identity -d 'That which waits of this identity, as SN-42 or serialNumber=SN-42; with --refuse, all' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l refuse -d 'Refuse them'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l list -d 'List what waits, and decide nothing'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -s o -l output -d 'Where the list goes; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l every -d 'When the next list will be issued, in days' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l overlap -d 'For how much longer this one stays valid' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l encoding -d 'How it is encoded' -r -f -a "pem\t''
der\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l root-key -d 'The key of the CA above, where it is not in the CA\'s folder' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l root-passphrase-from -d 'The passphrase of the root\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l force -d 'Replace an existing file'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l of-root -d 'Issue the list of the CA above the issuing CA, with its key'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from crl" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -s o -l output -d 'Write the lines and the signed head to this file; `-` is standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -l continues -d 'An earlier export, or its last line, that the record must continue' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -l issuer -d 'The certificates of the issuing CA, to check an exported record' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from audit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from backup" -s o -l output -d 'The folder to make' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from backup" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from backup" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from backup" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l listen -d 'The address and port to listen on; port 0 takes a free one' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l serve-profile -d 'A profile that is served; the first is the one without label' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l server-name -d 'What clients call the server, a DNS name or an IP address, for the certificate that the CA gives it' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l tls-cert -d 'The server\'s certificate chain, instead of one by this CA' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l tls-key -d 'The server\'s private key' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l tls-passphrase-from -d 'The passphrase of the server\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l vendor-ca -d 'Certificates of makers whose devices enroll with their IDevIDs, each under its own identity' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l max-connections -d 'Connections at once' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l ca-passphrase-from -d 'The passphrase of the CA\'s key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l require-client-cert -d 'Refuse connections without client certificate'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l require-binding -d 'Refuse requests that are not bound to their connection (RFC 9266)'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l manual-approval -d 'Let every new request wait until it is approved: bulla ca approve'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -l accept-clock -d 'Believe the clock, though it is a day behind or years ahead of the CA\'s last record'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "init" -d 'Make a CA in a new folder: roots and issuing CAs for devices and firmware'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "import" -d 'Take in the certificate that another CA issued'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "renew-issuing" -d 'Give an issuing CA a new certificate under the same root'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the certificates that a CA has planned, issued and revoked'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "token" -d 'Make, list and take back the tokens by which devices enroll'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "approve" -d 'Approve or refuse requests that wait'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "crl" -d 'Issue a certificate revocation list'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "audit" -d 'Check the audit record of a CA, or of an exported file, and export it'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "backup" -d 'Copy a CA into a new folder while it runs'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "serve" -d 'Serve a CA over the network: EST, its revocation lists, and whether it is well'
complete -c bulla -n "__fish_bulla_using_subcommand ca; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "sign" -d 'Make an MCUboot image of a firmware'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "create" -d 'Make an MCUboot image of a firmware'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "verify" -d 'Check an MCUboot image as the bootloader would'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "keygen" -d 'Make a key for MCUboot'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "getpub" -d 'Write the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "getpubhash" -d 'Write the SHA-256 of the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "keyinfo" -d 'Say whether a file holds a private or a public key'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "dumpinfo" -d 'Say what stands in an MCUboot image'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "version" -d 'Print the version of imgtool whose command lines these are'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and not __fish_seen_subcommand_from sign create verify keygen getpub getpubhash keyinfo dumpinfo version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s k -l key -d 'The private key' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l passphrase-from -d 'The key\'s passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s v -l version -d 'The image\'s version, as 1.2.3+4; needed for a new image' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s H -l header-size -d 'The size of the header, 32 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s S -l slot-size -d 'The size of the slot; image and trailer have to fit in it' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l align -d 'The bytes that the flash writes at once, 1 by default' -r -f -a "1\t''
2\t''
4\t''
8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l max-align -d 'The larger such number of the two slots, where it is above 8' -r -f -a "8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s M -l max-sectors -d 'The sectors that a swap can move, 128 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s e -l endian -d 'The byte order of the device, little by default' -r -f -a "little\t''
big\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s L -l load-addr -d 'The address in RAM where the image runs; 0 for none' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s F -l rom-fixed -d 'The address in flash that the image is built for' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s R -l erased-val -d 'What erased flash reads as, 0xff by default' -r -f -a "0\t''
0xff\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s s -l security-counter -d 'The security counter; auto takes it from the version' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l boot-record -d 'Add a boot record for this type of software' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l vid -d 'The vendor: a UUID, or a domain name that becomes one' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l cid -d 'The device class: a UUID, or a name that becomes one' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l public-key-format -d 'How the image names its key: by hash, as by default, or in full' -r -f -a "hash\t''
full\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s E -l encrypt -d 'Encrypt the payload to the device\'s public key: RSA-2048, P-256 or X25519' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l encrypt-keylen -d 'The bits of the AES key, 128 by default' -r -f -a "128\t''
256\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s x -l hex-addr -d 'The address where the image starts in Intel HEX; nothing where OUTFILE is not Intel HEX' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s d -l dependencies -d 'The images that this one needs, as "(0, 1.2.3+0), (1, 2.0.0)"' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l custom-tlv -d 'A TLV for the protected area: its number, and its value as text or as 0x and hexadecimal' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l custom-tlv-file -d 'The same with the value in a file' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l sha -d 'The hash; auto goes with the key' -r -f -a "auto\t''
256\t''
384\t''
512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l hmac-sha -d 'The hash in the key exchange of an encrypted image; auto is 256' -r -f -a "auto\t''
256\t''
512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l compression -d 'Compression; bulla has none' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l fix-sig -d 'A signature that another tool made, in base64' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l fix-sig-pubkey -d 'The public half of the key that made it, or that is to sign what --vector-to-sign writes' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l sig-out -d 'Write the signature here too, in base64' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l vector-to-sign -d 'Write what another tool has to sign instead of the image: the bytes, or their hash' -r -f -a "payload\t''
digest\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l allow-published-key -d 'Sign with a key whose private half is public, as those of MCUboot\'s own repository'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l pad-header -d 'Put the header before the image instead of into its blank start'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l pad -d 'Fill the slot, with a trailer that asks for an upgrade'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l confirm -d 'Like --pad, for an image that stays after its first boot'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l overwrite-only -d 'Upgrades overwrite, so that the trailer has no swap status'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l non-bootable -d 'The image is a part that does not boot alone'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l pure -d 'Ed25519 signs the image itself and not its digest'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l pad-sig -d 'Pad an ECDSA signature with zeros, for MCUboot before 1.5'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s c -l clear -d 'The payload stays clear, for the primary slot of a device that encrypts'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l save-enctlv -d 'The trailer keeps encrypted keys, and so has to be larger'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -l test -d 'Fill the slot, with a trailer for an image that is tried once; --confirm goes before it'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s k -l key -d 'The private key' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l passphrase-from -d 'The key\'s passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s v -l version -d 'The image\'s version, as 1.2.3+4; needed for a new image' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s H -l header-size -d 'The size of the header, 32 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s S -l slot-size -d 'The size of the slot; image and trailer have to fit in it' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l align -d 'The bytes that the flash writes at once, 1 by default' -r -f -a "1\t''
2\t''
4\t''
8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l max-align -d 'The larger such number of the two slots, where it is above 8' -r -f -a "8\t''
16\t''
32\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s M -l max-sectors -d 'The sectors that a swap can move, 128 by default' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s e -l endian -d 'The byte order of the device, little by default' -r -f -a "little\t''
big\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s L -l load-addr -d 'The address in RAM where the image runs; 0 for none' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s F -l rom-fixed -d 'The address in flash that the image is built for' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s R -l erased-val -d 'What erased flash reads as, 0xff by default' -r -f -a "0\t''
0xff\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s s -l security-counter -d 'The security counter; auto takes it from the version' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l boot-record -d 'Add a boot record for this type of software' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l vid -d 'The vendor: a UUID, or a domain name that becomes one' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l cid -d 'The device class: a UUID, or a name that becomes one' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l public-key-format -d 'How the image names its key: by hash, as by default, or in full' -r -f -a "hash\t''
full\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s E -l encrypt -d 'Encrypt the payload to the device\'s public key: RSA-2048, P-256 or X25519' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l encrypt-keylen -d 'The bits of the AES key, 128 by default' -r -f -a "128\t''
256\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s x -l hex-addr -d 'The address where the image starts in Intel HEX; nothing where OUTFILE is not Intel HEX' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s d -l dependencies -d 'The images that this one needs, as "(0, 1.2.3+0), (1, 2.0.0)"' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l custom-tlv -d 'A TLV for the protected area: its number, and its value as text or as 0x and hexadecimal' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l custom-tlv-file -d 'The same with the value in a file' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l sha -d 'The hash; auto goes with the key' -r -f -a "auto\t''
256\t''
384\t''
512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l hmac-sha -d 'The hash in the key exchange of an encrypted image; auto is 256' -r -f -a "auto\t''
256\t''
512\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l compression -d 'Compression; bulla has none' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l fix-sig -d 'A signature that another tool made, in base64' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l fix-sig-pubkey -d 'The public half of the key that made it, or that is to sign what --vector-to-sign writes' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l sig-out -d 'Write the signature here too, in base64' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l vector-to-sign -d 'Write what another tool has to sign instead of the image: the bytes, or their hash' -r -f -a "payload\t''
digest\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l allow-published-key -d 'Sign with a key whose private half is public, as those of MCUboot\'s own repository'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l pad-header -d 'Put the header before the image instead of into its blank start'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l pad -d 'Fill the slot, with a trailer that asks for an upgrade'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l confirm -d 'Like --pad, for an image that stays after its first boot'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l overwrite-only -d 'Upgrades overwrite, so that the trailer has no swap status'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l non-bootable -d 'The image is a part that does not boot alone'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l pure -d 'Ed25519 signs the image itself and not its digest'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l pad-sig -d 'Pad an ECDSA signature with zeros, for MCUboot before 1.5'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s c -l clear -d 'The payload stays clear, for the primary slot of a device that encrypts'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l save-enctlv -d 'The trailer keeps encrypted keys, and so has to be larger'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -l test -d 'Fill the slot, with a trailer for an image that is tried once; --confirm goes before it'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from verify" -s k -l key -d 'The key, private or public. Without one imgtool checks the hash alone, which anybody can make, so bulla asks for it' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from verify" -l passphrase-from -d 'The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from verify" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from verify" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from verify" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -s k -l key -d 'Where the key goes' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -s t -l type -d 'The type of the key' -r -f -a "rsa-2048\t''
rsa-3072\t''
ecdsa-p256\t''
ecdsa-p384\t''
ed25519\t''
x25519\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -l passphrase-from -d 'Encrypt the key with a passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -s p -l password -d 'Encrypt the key with a passphrase that is asked for'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -l force -d 'Replace an existing file; a private key is kept as a numbered .bak'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keygen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -s k -l key -d 'The key, private or public' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -l passphrase-from -d 'The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -s e -l encoding -d 'How it is encoded; lang-c unless --lang says otherwise' -r -f -a "lang-c\t''
lang-rust\t''
pem\t''
raw\t'The bytes of the array'"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -s l -l lang -d 'The older way to say lang-c or lang-rust' -r -f -a "c\t''
rust\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -l name-suffix -d 'Add this to the names of the array and its length' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -s o -l output -d 'Where it goes, instead of standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpub" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -s k -l key -d 'The key, private or public' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -l passphrase-from -d 'The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -s e -l encoding -d 'How it is encoded' -r -f -a "lang-c\t''
raw\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -l name-suffix -d 'Add this to the names of the array and its length' -r
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -s o -l output -d 'Where it goes, instead of standard output' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from getpubhash" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keyinfo" -s k -l key -d 'The key' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keyinfo" -l require -d 'What it has to be' -r -f -a "private\t''
public\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keyinfo" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keyinfo" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keyinfo" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from keyinfo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from dumpinfo" -s o -l outfile -d 'Where it goes, instead of standard output; an existing file is replaced' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from dumpinfo" -s f -l format -d 'How it is written: human, yaml or json; yaml where it goes to a file, else human' -r -f -a "human\t''
yaml\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from dumpinfo" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from dumpinfo" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from dumpinfo" -s s -l silent -d 'Print nothing to standard output'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from dumpinfo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from version" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from version" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from version" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "sign" -d 'Make an MCUboot image of a firmware'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check an MCUboot image as the bootloader would'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "keygen" -d 'Make a key for MCUboot'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "getpub" -d 'Write the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "getpubhash" -d 'Write the SHA-256 of the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "keyinfo" -d 'Say whether a file holds a private or a public key'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "dumpinfo" -d 'Say what stands in an MCUboot image'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "version" -d 'Print the version of imgtool whose command lines these are'
complete -c bulla -n "__fish_bulla_using_subcommand imgtool; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "generate-signing-key" -d 'Make a key for Secure Boot v2'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "extract-public-key" -d 'Write the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "digest-sbv2-public-key" -d 'Write the digest of a key for the eFuses of a chip'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "sign-data" -d 'Sign an image with Secure Boot v2'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "verify-signature" -d 'Check the signature of an image as the chip would check it'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "signature-info-v2" -d 'Show the signature blocks of an image'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and not __fish_seen_subcommand_from generate-signing-key extract-public-key digest-sbv2-public-key sign-data verify-signature signature-info-v2 help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from generate-signing-key" -s v -l version -d 'The version of Secure Boot' -r -f -a "2\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from generate-signing-key" -s s -l scheme -d 'The type of the key' -r -f -a "rsa3072\t''
ecdsa256\t''
ecdsa384\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from generate-signing-key" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from generate-signing-key" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from generate-signing-key" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from generate-signing-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -s v -l version -d 'The version of Secure Boot' -r -f -a "2\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -s k -l keyfile -d 'The private key' -r
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -l passphrase-from -d 'Its passphrase: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from extract-public-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -s k -l keyfile -d 'The key, private or public' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -l passphrase-from -d 'The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -s o -l output -d 'Where the 32 bytes go' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from digest-sbv2-public-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -s v -l version -d 'The version of Secure Boot' -r -f -a "2\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -s k -l keyfile -d 'The private keys' -r
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l passphrase-from -d 'The passphrase of the keys: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -s o -l output -d 'Where the signed image goes, instead of to DATAFILE' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l pub-key -d 'The public halves of the keys that made the signatures' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l signature -d 'Signatures that other tools made, over all of the image with its padding' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -s a -l append-signatures -d 'Keep the signatures that the image has, and add to them'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l replace -d 'Sign anew, without the signatures that the image has'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -l allow-published-key -d 'Sign with a key whose private half is public, as those of development boards'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from sign-data" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -s v -l version -d 'The version of Secure Boot' -r -f -a "2\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -s k -l keyfile -d 'The key, private or public' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -l passphrase-from -d 'The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt' -r
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from verify-signature" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from signature-info-v2" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from signature-info-v2" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from signature-info-v2" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from signature-info-v2" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "generate-signing-key" -d 'Make a key for Secure Boot v2'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "extract-public-key" -d 'Write the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "digest-sbv2-public-key" -d 'Write the digest of a key for the eFuses of a chip'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "sign-data" -d 'Sign an image with Secure Boot v2'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "verify-signature" -d 'Check the signature of an image as the chip would check it'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "signature-info-v2" -d 'Show the signature blocks of an image'
complete -c bulla -n "__fish_bulla_using_subcommand espsecure; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -f -a "list" -d 'List the built-in profiles'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -f -a "show" -d 'Print a profile as TOML, with all that it extends'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -f -a "example" -d 'Print an example of a profile that has every key, with comments'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -f -a "lint" -d 'Look for mistakes in profiles and certificates'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and not __fish_seen_subcommand_from list show example lint help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from list" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from list" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from show" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from show" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from show" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from example" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from example" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from example" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from example" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from lint" -l ca -d 'Hold profiles against the issuers of this CA, too: whether their certificates would outlive them' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from lint" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from lint" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from lint" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the built-in profiles'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print a profile as TOML, with all that it extends'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "example" -d 'Print an example of a profile that has every key, with comments'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "lint" -d 'Look for mistakes in profiles and certificates'
complete -c bulla -n "__fish_bulla_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand doctor" -l trust -d 'Certificates of CAs that vouch for the server' -r -F
complete -c bulla -n "__fish_bulla_using_subcommand doctor" -l timeout -d 'How long the server may take for one request, in seconds' -r
complete -c bulla -n "__fish_bulla_using_subcommand doctor" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand doctor" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand doctor" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand completions" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand completions" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand completions" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand man" -l format -d 'How the command reports: text for people, JSON for programs' -r -f -a "text\t''
json\t''"
complete -c bulla -n "__fish_bulla_using_subcommand man" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c bulla -n "__fish_bulla_using_subcommand man" -l progress -d 'How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s' -r -f -a "auto\t''
jsonl\t'A JSON object a line, each second'
none\t''"
complete -c bulla -n "__fish_bulla_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "keygen" -d 'Make a private key, or write the public half of one'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "csr" -d 'Make a certificate request (PKCS#10) from a key and a profile'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "enroll" -d 'Get a certificate from a CA, for a request or a key'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "renew" -d 'Renew a certificate: the same names and profile, by default for a new key'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "revoke" -d 'Revoke certificates, or release them from hold'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "sign" -d 'Sign a firmware image or any file'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "verify" -d 'Check a signature as the device would check it'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "verify-chain" -d 'Check a certificate and the chain that vouches for it'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "inspect" -d 'Say what a file is and what is in it'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "ca" -d 'Administer an embedded CA'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "imgtool" -d 'Sign and verify MCUboot images by the command lines of imgtool'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "espsecure" -d 'Sign and verify ESP32 images by the command lines of espsecure'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "profile" -d 'See and check certificate profiles'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "doctor" -d 'Examine a CA\'s server: what it offers, and what is wrong with it'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "completions" -d 'Print the completions of a shell'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "man" -d 'Print a man page'
complete -c bulla -n "__fish_bulla_using_subcommand help; and not __fish_seen_subcommand_from keygen csr enroll renew revoke sign verify verify-chain inspect ca imgtool espsecure profile doctor completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "init" -d 'Make a CA in a new folder: roots and issuing CAs for devices and firmware'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "import" -d 'Take in the certificate that another CA issued'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "renew-issuing" -d 'Give an issuing CA a new certificate under the same root'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "list" -d 'List the certificates that a CA has planned, issued and revoked'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "token" -d 'Make, list and take back the tokens by which devices enroll'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "approve" -d 'Approve or refuse requests that wait'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "crl" -d 'Issue a certificate revocation list'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "audit" -d 'Check the audit record of a CA, or of an exported file, and export it'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "backup" -d 'Copy a CA into a new folder while it runs'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from ca" -f -a "serve" -d 'Serve a CA over the network: EST, its revocation lists, and whether it is well'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "sign" -d 'Make an MCUboot image of a firmware'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "verify" -d 'Check an MCUboot image as the bootloader would'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "keygen" -d 'Make a key for MCUboot'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "getpub" -d 'Write the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "getpubhash" -d 'Write the SHA-256 of the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "keyinfo" -d 'Say whether a file holds a private or a public key'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "dumpinfo" -d 'Say what stands in an MCUboot image'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from imgtool" -f -a "version" -d 'Print the version of imgtool whose command lines these are'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from espsecure" -f -a "generate-signing-key" -d 'Make a key for Secure Boot v2'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from espsecure" -f -a "extract-public-key" -d 'Write the public half of a key'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from espsecure" -f -a "digest-sbv2-public-key" -d 'Write the digest of a key for the eFuses of a chip'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from espsecure" -f -a "sign-data" -d 'Sign an image with Secure Boot v2'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from espsecure" -f -a "verify-signature" -d 'Check the signature of an image as the chip would check it'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from espsecure" -f -a "signature-info-v2" -d 'Show the signature blocks of an image'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "list" -d 'List the built-in profiles'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "show" -d 'Print a profile as TOML, with all that it extends'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "example" -d 'Print an example of a profile that has every key, with comments'
complete -c bulla -n "__fish_bulla_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "lint" -d 'Look for mistakes in profiles and certificates'
