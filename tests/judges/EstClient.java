// BouncyCastle's EST client (RFC 7030), as a command: what a server of ours answers it.
//
//     java EstClient OPERATION server=HOST:PORT trust=FILE [NAME=VALUE...]
//
// OPERATION    cacerts, csrattrs, enroll, reenroll or serverkeygen
// trust=FILE   the PEM certificates that the server's has to lead to
// label=NAME   the label in the paths
// csr=FILE     the request, PEM
// user=NAME    HTTP Basic, with password=FILE, whose first line it is
// cert=FILE    the client's certificate chain, PEM, with key=FILE, PKCS#8 PEM
// body=joined  the request in one line of base64; else in lines, as BouncyCastle has them
// poll=SECONDS how long a pending request is asked for again
// out=FILE     where the certificates go, PEM, and keyout=FILE a key that the server made
//
// Prints what happened, one line each. Exits with 0 when it was done, 3 when the server refused, 6 when it is pending.

import java.io.ByteArrayOutputStream;
import java.io.FileReader;
import java.io.FileWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLSession;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.est.CACertsResponse;
import org.bouncycastle.est.CSRRequestResponse;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTClient;
import org.bouncycastle.est.ESTClientProvider;
import org.bouncycastle.est.ESTException;
import org.bouncycastle.est.ESTRequest;
import org.bouncycastle.est.ESTRequestBuilder;
import org.bouncycastle.est.ESTResponse;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.util.Store;

public class EstClient {
    private static final Map<String, String> options = new HashMap<>();

    public static void main(String[] args) throws Exception {
        for (int index = 1; index < args.length; index++) {
            String[] parts = args[index].split("=", 2);
            options.put(parts[0], parts[1]);
        }
        Security.addProvider(new BouncyCastleProvider());
        try {
            System.exit(run(args[0]));
        } catch (ESTException error) {
            // Without a status code it is not the server that refused.
            System.out.println("refused " + error.getStatusCode() + " " + printable(error.getMessage()));
            System.exit(error.getStatusCode() >= 400 ? 3 : 1);
        }
    }

    private static int run(String operation) throws Exception {
        ESTService service = service();
        switch (operation) {
            case "cacerts": {
                CACertsResponse response = service.getCACerts();
                said(response.getSession());
                write(response.getCertificateStore());
                return 0;
            }
            case "csrattrs": {
                CSRRequestResponse response = service.getCSRAttributes();
                said(response.getSession());
                if (response.hasAttributesResponse()) {
                    for (ASN1ObjectIdentifier oid : response.getAttributesResponse().getRequirements()) {
                        System.out.println("wants " + oid.getId());
                    }
                }
                return 0;
            }
            case "enroll":
            case "reenroll":
            case "serverkeygen":
                return enroll(service, operation);
            default:
                throw new IllegalArgumentException(operation);
        }
    }

    private static int enroll(ESTService service, String operation) throws Exception {
        PKCS10CertificationRequest request = (PKCS10CertificationRequest) objects(options.get("csr")).get(0);
        ESTAuth auth = null;
        if (options.containsKey("user")) {
            String password = Files.readAllLines(Path.of(options.get("password"))).get(0);
            auth = new JcaHttpAuthBuilder(options.get("user"), password.toCharArray()).build();
        }
        EnrollmentResponse response;
        if (operation.equals("serverkeygen")) {
            response = service.simpleEnrollWithServersideCreation(request, auth);
        } else {
            response = service.simpleEnroll(operation.equals("reenroll"), request, auth);
        }
        long end = System.currentTimeMillis() + 1000 * Long.parseLong(options.getOrDefault("poll", "0"));
        while (!response.isCompleted()) {
            long wait = response.getNotBefore() - System.currentTimeMillis();
            System.out.println("pending");
            if (System.currentTimeMillis() + wait > end) {
                return 6;
            }
            Thread.sleep(Math.max(wait, 100));
            response = service.simpleEnroll(response);
        }
        said(response.getSession());
        write(response.getStore());
        PrivateKeyInfo key = response.getPrivateKeyInfo();
        if (key != null) {
            try (JcaPEMWriter writer = new JcaPEMWriter(new FileWriter(options.get("keyout")))) {
                writer.writeObject(new JcaPEMKeyConverter().getPrivateKey(key));
            }
        }
        return 0;
    }

    private static ESTService service() throws Exception {
        Set<TrustAnchor> anchors = new HashSet<>();
        for (X509Certificate certificate : certificates(options.get("trust"))) {
            anchors.add(new TrustAnchor(certificate, null));
        }
        Builder builder = new Builder(options.get("server"), JcaJceUtils.getCertPathTrustManager(anchors, null));
        // Java's own TLS; which version it speaks is set by jdk.tls.client.protocols.
        builder.withTLSVersion("TLS").withTimeout(10_000);
        if (options.containsKey("label")) {
            builder.withLabel(options.get("label"));
        }
        if (options.containsKey("cert")) {
            PrivateKeyInfo key = (PrivateKeyInfo) objects(options.get("key")).get(0);
            PrivateKey privateKey = new JcaPEMKeyConverter().getPrivateKey(key);
            X509Certificate[] chain = certificates(options.get("cert")).toArray(new X509Certificate[0]);
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setKeyEntry("client", privateKey, new char[0], chain);
            KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
            factory.init(store, new char[0]);
            builder.withKeyManagers(factory.getKeyManagers());
        }
        ESTService service = builder.build();
        if (!"joined".equals(options.get("body"))) {
            return service;
        }
        return builder.withClientProvider(joining(builder.made())).build();
    }

    // Shows the client that it made.
    private static class Builder extends JsseESTServiceBuilder {
        Builder(String server, X509TrustManager[] trusted) {
            super(server, trusted);
        }

        ESTClientProvider made() {
            return clientProvider;
        }
    }

    // A client that sends what BouncyCastle's own would, without line breaks in it.
    private static ESTClientProvider joining(ESTClientProvider own) {
        return new ESTClientProvider() {
            public ESTClient makeClient() throws ESTException {
                ESTClient client = own.makeClient();
                return new ESTClient() {
                    public ESTResponse doRequest(ESTRequest request) throws IOException {
                        ByteArrayOutputStream body = new ByteArrayOutputStream();
                        request.writeData(body);
                        String joined = body.toString(StandardCharsets.US_ASCII).replaceAll("\\s", "");
                        byte[] bytes = joined.getBytes(StandardCharsets.US_ASCII);
                        ESTRequestBuilder changed = new ESTRequestBuilder(request).withClient(client);
                        if (bytes.length > 0) {
                            changed.withData(bytes).setHeader("Content-Length", Integer.toString(bytes.length));
                        }
                        return client.doRequest(changed.build());
                    }
                };
            }

            public boolean isTrusted() {
                return own.isTrusted();
            }
        };
    }

    private static void said(Object session) {
        if (session instanceof SSLSession) {
            System.out.println("protocol " + ((SSLSession) session).getProtocol());
        }
    }

    private static void write(Store<X509CertificateHolder> store) throws IOException {
        try (JcaPEMWriter writer = new JcaPEMWriter(new FileWriter(options.get("out")))) {
            for (X509CertificateHolder certificate : ESTService.storeToArray(store)) {
                System.out.println("certificate " + printable(certificate.getSubject().toString()));
                writer.writeObject(certificate);
            }
        }
    }

    private static List<X509Certificate> certificates(String path) throws Exception {
        List<X509Certificate> found = new ArrayList<>();
        for (Object object : objects(path)) {
            found.add(new JcaX509CertificateConverter().getCertificate((X509CertificateHolder) object));
        }
        return found;
    }

    private static List<Object> objects(String path) throws IOException {
        List<Object> found = new ArrayList<>();
        try (PEMParser parser = new PEMParser(new FileReader(path))) {
            for (Object object; (object = parser.readObject()) != null; ) {
                found.add(object);
            }
        }
        return found;
    }

    private static String printable(String text) {
        return text.replaceAll("\\p{Cntrl}", " ");
    }
}
