# SPDX-License-Identifier: Apache-2.0
"""
What an instance fetches packages from, on the loopback: files by https, as S3 gives them to who has signed, and
the instance's metadata (IMDSv2) with the credentials of its role.
"""

import hashlib
import hmac
import http.server
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

REGION = "eu-central-1"
KEY_ID, SECRET, TOKEN = "ASIATESTTESTTESTTEST", "the/secret+of=the+role", "the//token+of=the/role"
BUCKET = "packages.example"
METADATA = {
    "/latest/meta-data/placement/region": REGION,
    "/latest/meta-data/iam/security-credentials/": "the-role",
    "/latest/meta-data/iam/security-credentials/the-role": (
        '{\n  "Code" : "Success",\n  "Type" : "AWS-HMAC",\n  "AccessKeyId" : "%s",\n'
        '  "SecretAccessKey" : "%s",\n  "Token" : "%s",\n  "Expiration" : "2099-01-01T00:00:00Z"\n}' % (KEY_ID, SECRET, TOKEN)
    ),
}


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


def signature(request, signed, date, scope):
    """SigV4 of a request without query and body, from its own headers."""
    lines = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed.split(";"))
    payload = request.headers.get("x-amz-content-sha256", hashlib.sha256(b"").hexdigest())
    canonical = f"{request.command}\n{request.path}\n\n{lines}\n{signed}\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = mac(key, part).digest()
    return mac(key, text).hexdigest()


def signed_rightly(request):
    """Whether S3 would let it in: signed now, by the role, with its session token."""
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    if kind != "AWS4-HMAC-SHA256":
        return False
    fields = dict(field.strip().split("=", 1) for field in rest.split(","))
    key_id, _, scope = fields["Credential"].partition("/")
    signed = fields["SignedHeaders"]
    return (
        key_id == KEY_ID
        and scope.split("/")[1:] == [REGION, "s3", "aws4_request"]
        and {"host", "x-amz-date", "x-amz-security-token"} <= set(signed.split(";"))
        and request.headers["x-amz-security-token"] == TOKEN
        and hmac.compare_digest(fields["Signature"], signature(request, signed, request.headers["x-amz-date"], scope))
    )


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        self.server.seen.append(f"{self.command} {self.path}")


class Files(Handler):
    """GET /NAME, and /BUCKET/NAME for who has signed."""

    def do_GET(self):  # pylint: disable=invalid-name
        path = urlsplit(self.path).path.lstrip("/")
        if path.startswith(BUCKET + "/"):
            if not signed_rightly(self):
                return self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
            path = path[len(BUCKET) + 1 :]
        file = self.server.root / path
        if ".." in path or not file.is_file():
            return self.answer(404)
        return self.answer(200, file.read_bytes())


class Metadata(Handler):
    def do_PUT(self):  # pylint: disable=invalid-name
        told = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self.answer(200 if told and self.path == "/latest/api/token" else 400, b"a-token")

    def do_GET(self):  # pylint: disable=invalid-name
        if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
            return self.answer(401)
        if self.path not in METADATA:
            return self.answer(404)
        return self.answer(200, METADATA[self.path].encode())


class PackageServer:
    """Serves |root|. Attributes: files_port, metadata_port, certificate (a path), seen (requests)."""

    def __init__(self, root, directory):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate, key = directory / "server.pem", directory / "server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=packages", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-out", str(self.certificate), "-keyout", str(key)],
            check=True, capture_output=True, timeout=60)  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.seen = []
        files, metadata = self.listen(Files), self.listen(Metadata)
        files.root = Path(root)
        files.socket = context.wrap_socket(files.socket, server_side=True)
        self.files_port, self.metadata_port = files.server_port, metadata.server_port
        for server in (files, metadata):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def listen(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads, server.seen = True, self.seen
        return server

    def environment(self):
        """AWS's and curl's own variables that lead a program here."""
        return {
            "CURL_CA_BUNDLE": str(self.certificate),
            "AWS_ENDPOINT_URL_S3": f"https://localhost:{self.files_port}",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{self.metadata_port}",
        }
