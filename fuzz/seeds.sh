#!/bin/sh
# seeds.sh BULLA FOLDER : makes the first inputs of every target, FOLDER/TARGET/*, with the program BULLA and openssl.
#
# What is signed is signed with the key and the certificates of the fixtures, which the targets trust.
set -eu
bulla=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
fixtures=$(realpath "$(dirname "$0")/../fixtures")
key=$fixtures/chains/signer.key
chain=$fixtures/chains/good.pem
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# seed TARGET NAME FILE... : one input, of the files in a row
seed() {
    target=$1 name=$2
    shift 2
    mkdir -p "$folder/$target"
    cat "$@" >"$folder/$target/$name"
}

quietly() {
    "$@" >log 2>&1 || { cat log >&2; exit 1; }
}

# bytes OCTAL... : those bytes
bytes() {
    for octal; do printf "\\$octal"; done
}

# The Ed25519 key of the targets: its seed is 32 times 0x42, and what stands before that RFC 8410 section 7.
{
    bytes 60 56 2 1 0 60 5 6 3 53 145 160 4 42 4 40
    printf 'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB'
} >ed25519.der
openssl pkey -inform DER -in ed25519.der -out ed25519.key
printf secret >passphrase

# Keys
for type in p256 p384 ed25519 rsa2048 x25519; do
    quietly "$bulla" keygen --type $type -o $type.key --force
    openssl pkey -in $type.key -outform DER -out $type.der
    seed private_key $type $type.der
    openssl pkey -in $type.key -pubout -out $type.pem
    openssl pkey -in $type.key -pubout -outform DER -out $type.pub
    seed public_key $type $type.pub
    openssl pkcs8 -topk8 -in $type.key -passout file:passphrase -v2 aes256 -iter 1 -out pbkdf2.pem
    openssl pkcs8 -topk8 -in $type.key -passout file:passphrase -scrypt -scrypt_N 16 -scrypt_r 8 -scrypt_p 1 \
        -outform DER -out scrypt.der
    seed private_key $type-pbkdf2 pbkdf2.pem
    seed private_key $type-scrypt scrypt.der
    seed documents $type $type.key pbkdf2.pem
done
openssl ecparam -name secp521r1 -genkey -out p521.pem
openssl ec -in p521.pem -outform DER -out p521.der 2>log
seed private_key sec1 p521.der
seed documents sec1 p521.pem
openssl rsa -in rsa2048.key -traditional -outform DER -out rsa.der 2>log
openssl rsa -in rsa2048.key -traditional -aes128 -passout file:passphrase -out traditional.pem 2>log
openssl rsa -in rsa2048.key -RSAPublicKey_out -outform DER -out rsa.pub 2>log
seed private_key pkcs1 rsa.der
seed documents traditional traditional.pem
seed public_key pkcs1 rsa.pub
quietly minisign -G -W -p minisign.pub -s minisign.key
for target in private_key documents; do seed $target minisign minisign.key; done
for target in public_key documents; do seed $target minisign-public minisign.pub; done

# Requests and certificates
for profile in idevid firmware; do
    quietly "$bulla" csr p256.key --profile $profile --subject O=Acme --serial SN-1 --cn device --encoding der \
        -o request --force
    seed request $profile request
done
for profile in $("$bulla" profile list --format json | tr ',' '\n' | sed -n 's/.*"name":"\([^"]*\)".*/\1/p'); do
    "$bulla" profile show "$profile" >"$profile.toml"
    seed profile "$profile" "$profile.toml"
done
"$bulla" profile example >example.toml
seed profile example example.toml

# certificate NAME ISSUER EXTENSIONS : NAME.der, of the signer's key under ISSUER, which has the same key
certificate() {
    printf '%s\n' "$3" >extensions
    openssl req -new -config /dev/null -subj "/O=Acme/CN=$1" -key "$key" -out request.pem
    if [ "$2" = "$1" ]; then set -- "$1" -signkey "$key"; else set -- "$1" -CA "$2.pem" -CAkey "$key"; fi
    name=$1
    shift
    quietly openssl x509 -req -in request.pem -days 36500 -extfile extensions -set_serial 0x4242 -out "$name.pem" "$@"
    openssl x509 -in "$name.pem" -outform DER -out "$name.der"
}

ca='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid'
signing='keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid'
names='subjectAltName=@names
[names]
DNS.1=a.example
DNS.2=*.b.example
IP.1=10.0.0.1
IP.2=2001:db8::1
URI=https://a.example/x
email=a@a.example
dirName=name
[name]
O=Acme
CN=a'
certificate root root "$ca"
certificate issuing root "$ca"
certificate constrained root "$ca
nameConstraints=critical,@constraints
[constraints]
permitted;DNS=example
permitted;IP.1=10.0.0.0/255.0.0.0
permitted;IP.2=2001:db8:0:0:0:0:0:0/ffff:ffff:0:0:0:0:0:0
permitted;URI=.example
excluded;email=b.example"
certificate governed root "$ca
certificatePolicies=critical,1.2.3.4,anyPolicy
policyConstraints=critical,requireExplicitPolicy:1,inhibitPolicyMapping:0
policyMappings=critical,1.2.3.4:1.2.3.5
inhibitAnyPolicy=critical,1"
certificate sub constrained "$ca"
certificate firmware issuing "$signing
extendedKeyUsage=codeSigning"
certificate server constrained "$signing
extendedKeyUsage=serverAuth,clientAuth
authorityInfoAccess=OCSP;URI:http://ocsp.example,caIssuers;URI:http://ca.example
crlDistributionPoints=URI:http://crl.example
certificatePolicies=1.2.3.4,2.23.140.1.2.1
$names"
certificate device governed "$signing
certificatePolicies=1.2.3.5
subjectAltName=DNS:device.example"
certificate deep sub "$signing
extendedKeyUsage=serverAuth
$names"
for name in root issuing constrained governed firmware server device; do seed certificate $name $name.der; done
seed chain self root.der root.der
seed chain firmware firmware.der issuing.der root.der
seed chain server server.der constrained.der root.der
seed chain device device.der governed.der root.der
seed chain deep deep.der sub.der constrained.der root.der
seed chain choice deep.der issuing.der issuing.der sub.der sub.der constrained.der governed.der root.der
openssl x509 -in "$chain" -outform DER -out signer.der
seed certificate signer signer.der
seed documents chain "$chain"
seed documents server server.pem ed25519.key p256.pub

# Revocation lists
cat >ca.conf <<END
[ca]
default_ca = it
[it]
database = index
crlnumber = number
default_md = sha256
default_crl_days = 36500
[full]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @point
[delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical, ASN1:INTEGER:1
freshestCRL = URI:http://crl.example/delta
[point]
fullname = URI:http://crl.example
onlysomereasons = keyCompromise, CACompromise
indirectCRL = TRUE
END
printf 'R\t491231235959Z\t200101000000Z,%s\t%s\tunknown\t/CN=a\n' keyCompromise 4243 \
    holdInstruction,holdInstructionReject 4244 CAkeyTime,20191231000000Z 4245 removeFromCRL 4246 >index
for extensions in full delta; do
    echo 02 >number
    quietly openssl ca -config ca.conf -gencrl -keyfile "$key" -cert root.pem -crlexts $extensions -out $extensions.pem
    openssl crl -in $extensions.pem -outform DER -out $extensions.crl
    seed crl $extensions $extensions.crl
done
openssl crl -in "$fixtures/revoked.crl" -outform DER -out revoked.crl
seed crl revoked revoked.crl
seed documents crl full.pem delta.pem

# OCSP responses, of the issuer and of a responder that it has authorised; and what tells of the chains
printf 'V\t491231235959Z\t\t4242\tunknown\t/CN=a\n' >>index
certificate responder root "$signing
extendedKeyUsage=OCSPSigning
noCheck=yes"
respond() {
    name=$1
    shift
    quietly openssl ocsp -index index -CA root.pem -issuer root.pem -serial 0x4242 -serial 0x4243 -serial 0x4249 \
        -rkey "$key" -ndays 36500 -no_nonce -respout "$name.ocsp" "$@"
    seed ocsp "$name" "$name.ocsp"
}
respond issuer -rsigner root.pem
respond responder -rsigner responder.pem
respond key -rsigner responder.pem -resp_key_id -resp_no_certs
bytes 60 3 12 1 6 >refused.ocsp
seed ocsp refused refused.ocsp
certificate other root "$signing
extendedKeyUsage=codeSigning"
for evidence in full.crl delta.crl issuer.ocsp responder.ocsp key.ocsp; do
    seed chain "told-by-$evidence" other.der $evidence root.der
done
seed chain told-twice firmware.der full.crl delta.crl issuing.der responder.ocsp root.der

# Messages over "content", and detached signatures of "image": each after its length in two bytes
printf content >content
printf image >image
sign() {
    quietly "$bulla" sign "$@" --force
}
sign content --as cms --key "$key" --cert "$chain" -o message.cms
seed cms detached message.cms
awk '/BEGIN/ { count++ } count == 2' "$chain" >above.pem
for flags in '-nodetach' '-nodetach -stream' '-noattr' '-keyid' '-nodetach -noattr -nocerts'; do
    # shellcheck disable=SC2086  # several flags
    openssl cms -sign -binary -in content -signer "$chain" -certfile above.pem -inkey "$key" $flags -md sha256 \
        -outform DER -out message.der
    seed cms "openssl$(echo "$flags" | tr -d ' ')" message.der
done
openssl cms -encrypt -binary -in content -aes256 -outform DER -out envelope.der "$chain"
seed cms envelope envelope.der
openssl cms -encrypt -binary -in content -aes-256-gcm -outform DER -out authenticated.der "$chain"
seed cms authenticated authenticated.der
openssl cms -in message.cms -inform DER -cmsout -outform PEM -out message.pem
seed documents cms message.pem
# detached NAME SIGNATURE : one input of signature and image
detached() {
    length=$(wc -c <"$2")
    bytes "$(printf %o $((length % 256)))" "$(printf %o $((length / 256)))" >length
    seed detached "$1" length "$2" image
}
sign image --as raw --key "$key" -o signature
detached raw signature
sign image --as raw --key ed25519.key -o signature
detached raw-ed25519 signature
sign image --as minisign --key ed25519.key -o signature
detached minisign signature
sign image --as cms --key "$key" --cert "$chain" -o signature
detached cms signature

# What EST sends: attributes of both forms (RFC 7030 section 4.5.2, RFC 9908 section 3.4), keys, and both ends' messages,
# whose heads end in an empty line and whose DER stands for its base64
echo MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw== | base64 -d >attributes
seed csr_attributes listed attributes
cat >template.conf <<END
asn1 = SEQUENCE:list
[list]
binding = OID:1.2.840.113549.1.9.7
template = SEQUENCE:template
[template]
type = OID:1.2.840.113549.1.9.16.2.61
values = SET:values
[values]
value = SEQUENCE:info
[info]
version = INTEGER:0
subject = SEQUENCE:subject
key = IMPLICIT:0,SEQUENCE:key
attributes = IMPLICIT:1,SET:attributes
[subject]
organization = SET:organization
serial = SET:serial
[organization]
one = SEQUENCE:acme
[acme]
type = OID:2.5.4.10
value = UTF8:Acme
[serial]
one = SEQUENCE:number
[number]
type = OID:2.5.4.5
[key]
algorithm = SEQUENCE:algorithm
[algorithm]
type = OID:1.2.840.10045.2.1
curve = OID:1.2.840.10045.3.1.7
[attributes]
extensions = SEQUENCE:wanted
[wanted]
type = OID:1.2.840.113549.1.9.16.2.62
values = SET:lists
[lists]
list = SEQUENCE:extensions
[extensions]
usage = SEQUENCE:usage
names = SEQUENCE:names
[usage]
type = OID:2.5.29.15
critical = BOOLEAN:TRUE
value = FORMAT:HEX,OCT:03020780
[names]
type = OID:2.5.29.17
END
quietly openssl asn1parse -genconf template.conf -noout -out template
seed csr_attributes template template
openssl crl2pkcs7 -nocrl -certfile "$chain" -outform DER -out certificates
seed cms certificates certificates
# part TYPE FILE : one part of a body of several
part() {
    printf -- '--b\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n' "$1"
    openssl base64 -in "$2"
}
for type in p256 rsa2048; do
    {
        printf 'multipart/mixed; boundary=b\n'
        part application/pkcs8 $type.der
        part 'application/pkcs7-mime; smime-type=certs-only' certificates
        printf -- '--b--\r\n'
    } >made
    seed server_key $type made
done
{
    printf 'multipart/mixed; boundary="b"\n'
    part 'application/pkcs7-mime; smime-type=certs-only' certificates
    part 'application/pkcs7-mime; smime-type=server-generated-key' envelope.der
    printf -- '--b--\r\n'
} >made
seed server_key sealed made
# exchange TARGET NAME HEAD BODY : a message of that head, in which a line ends in a bar
exchange() {
    { printf %s "$3" | tr '|' '\n'; printf '\n\n'; } >head
    seed "$1" "$2" head "$4"
}
quietly "$bulla" csr "$key" --profile ldevid --serial SN-1 --cn device --encoding der -o request --force
for operation in simpleenroll simplereenroll serverkeygen; do
    post="POST /.well-known/est/$operation|Content-Type: application/pkcs10"
    exchange est_server $operation "$post|Authorization: Basic U04tMTpzM2NyZXQ=" request
    exchange est_server $operation-of-client "$post|Client: yes" request
done
exchange est_server bearer "$post|Authorization: Bearer s3cret" request
exchange est_server labelled "POST /.well-known/est/tls-server-here/simpleenroll|Content-Type: application/pkcs10" request
for answer in wait fail no; do
    quietly "$bulla" csr "$key" --profile ldevid --serial SN-1 --cn $answer --encoding der -o request --force
    exchange est_server $answer "POST /.well-known/est/simpleenroll|Content-Type: application/pkcs10" request
done
for operation in cacerts csrattrs; do
    exchange est_server $operation "GET /.well-known/est/ldevid-here/$operation|User-Agent: globalsign" /dev/null
done
exchange est_client certificates '200|Content-Type: application/pkcs7-mime' certificates
exchange est_client attributes '200|Content-Type: application/csrattrs' template
tail -n +2 made >body
exchange est_client sealed '200|Content-Type: multipart/mixed; boundary=b' body
exchange est_client later '202|Retry-After: Sun, 06 Nov 2033 08:49:37 GMT' /dev/null
exchange est_client elsewhere '307|Location: https://ca.example/est/cacerts' /dev/null
exchange est_client refused '403|Content-Type: text/plain' content
printf 'est.example:8443\nhttp://user:p%%40ss@proxy.example:3128/\n.other.example, 10.0.0.0/8\n' >address
seed address name address
printf '[2001:db8::1]:443\n[::1]:3128\n2001:db8::/32\n' >address
seed address six address

# Images
head -c 300 /dev/zero >blank
for signer in "$key" ed25519.key; do
    name=$(basename "$signer" .key)
    for flags in '' '--security-counter 3 --dependency (1,1.0.0) --boot-record app --custom-tlv 0xa0=0x00' \
        '--endian big' '--hex --hex-addr 0x1000' '--slot-size 4096 --pad' '--encrypt p256.pem' \
        '--public-key-format full'; do
        # shellcheck disable=SC2086  # several flags
        sign blank --as mcuboot --key "$signer" --version 1.2.3+4 --pad-header $flags -o mcuboot
        seed mcuboot "$name$(echo "$flags" | tr -cd 'a-z')" mcuboot
    done
done
sign blank --as esp32 --key "$key" -o esp32
seed esp32 signed esp32
sign esp32 --as esp32 --key "$key" --replace -o esp32
seed esp32 replaced esp32
mkdir rauc swupdate
printf '[update]\ncompatible=board\nversion=1\n\n[image.rootfs]\nfilename=rootfs.img\n' >rauc/manifest.raucm
# A verity bundle has two blocks at least, and a squashfs compresses.
head -c 5000 /dev/urandom >rauc/rootfs.img
for format in plain verity; do
    sign rauc --as rauc --bundle-format $format --key "$key" --cert "$chain" -o bundle
    seed rauc $format bundle
done
cp image swupdate/image.bin
digest=$(sha256sum image | cut -c 1-64)
file="filename = \"image.bin\"; sha256 = \"$digest\"; version = \"1\"; device = \"/dev/null\";"
printf 'software = { version = "1.0"; hardware-compatibility = ["a"]; images: ( { %s } ); };' "$file" \
    >swupdate/sw-description
sign swupdate --as swupdate --key "$key" --cert "$chain" -o update
seed swupdate libconfig update
images="{\"images\": [{\"filename\": \"image.bin\", \"sha256\": \"$digest\"}]}"
printf '{"software": {"version": "1.0", "board": {"stable": {"main": %s}}}}' "$images" >swupdate/sw-description
sign swupdate --as swupdate --key "$key" --cert "$chain" -o update
seed swupdate json update
