# SPDX-License-Identifier: Apache-2.0
"""
Verifies Signature Version 4 in headers as AWS does, with botocore's signer as the oracle. It knows
neither sockets nor services: a request comes in as text and bytes, a Refusal comes out.
"""

import calendar
import hashlib
import hmac
import re
import time
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ALLOWED_SKEW_S = 300  # AWS's: five minutes to either side
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;\-]+), ?Signature=([0-9a-f]{64})"
)


@dataclass
class Keys:
    """What belongs to an access key's id."""

    secret: str
    token: str = ""
    expired: bool = False


class Refusal(Exception):
    """
    What AWS answers: code, status, text. |fault_of_client| is false where a correct client may meet
    it: its clock is off, its credentials have expired meanwhile.
    """

    def __init__(self, code, text, status=403, fault_of_client=True):
        super().__init__(text)
        self.code = code
        self.status = status
        self.fault_of_client = fault_of_client


class Verifier(SigV4Auth):
    """botocore's signer, but it signs what the client says that it has signed, and nothing else."""

    def __init__(self, keys, service, region, signed):
        super().__init__(Credentials("-", keys.secret, keys.token or None), service, region)
        self.signed = signed

    def headers_to_sign(self, request):
        chosen = type(request.headers)()
        for name in self.signed:
            for value in request.headers.get_all(name):
                chosen[name] = value
        return chosen


def is_fresh(date, now_s, skew_code):
    """Refuses a date that is no date or more than five minutes away from |now_s|."""
    try:
        stamp_s = calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refusal("IncompleteSignature", f"X-Amz-Date {date!r} is no date") from None
    if abs(stamp_s - now_s) > ALLOWED_SKEW_S:
        where = "expired" if stamp_s < now_s else "not yet current"
        raise Refusal(skew_code, f"Signature {where}: {date}", fault_of_client=False)


def must_be_signed(headers):
    """Names in lower case that AWS wants in SignedHeaders, and those that we want: what says what the body is."""
    wanted = {"host"}
    for name, _ in headers:
        name = name.lower()
        if name.startswith("x-amz-") or name == "content-type":
            wanted.add(name)
    return wanted


def verify(method, target, headers, body, *, keys_of, region, service, now_s, skew_code="RequestTimeTooSkewed"):
    """
    Raises Refusal unless the signature is right. |headers|: (name, value) pairs as they came;
    |keys_of|: Keys by access key's id. Returns the access key's id.
    """
    fields = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    if "authorization" not in fields:
        raise Refusal("MissingAuthenticationToken", "Missing Authentication Token")
    parts = AUTHORIZATION.fullmatch(fields["authorization"][0])
    if not parts:
        raise Refusal("IncompleteSignature", f"Authorization is {fields['authorization'][0]!r}")
    key_id, day, scope_region, scope_service, signed, signature = parts.groups()
    signed = signed.split(";")
    date = fields.get("x-amz-date", [""])[0]
    if (scope_region, scope_service) != (region, service) or not date.startswith(day):
        raise Refusal("SignatureDoesNotMatch", f"the scope {day}/{scope_region}/{scope_service} is wrong")
    if signed != sorted(set(signed)):
        raise Refusal("SignatureDoesNotMatch", f"SignedHeaders are not in order: {signed}")
    missing = must_be_signed(headers) - set(signed)
    if missing or not set(signed) <= set(fields):
        raise Refusal("SignatureDoesNotMatch", f"not signed: {missing}; not sent: {set(signed) - set(fields)}")
    keys = keys_of.get(key_id)
    if keys is None:
        raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
    if fields.get("x-amz-security-token", [""])[0] != keys.token:
        raise Refusal("InvalidClientTokenId", "the session token is not that of the key")
    is_fresh(date, now_s, skew_code)

    request = AWSRequest(method=method, url=f"http://{fields['host'][0]}{target}", data=body)
    for name, value in headers:
        request.headers[name] = value
    body_hash = hashlib.sha256(body).hexdigest()
    if fields.get("x-amz-content-sha256", [body_hash]) != [body_hash]:  # botocore would take it as it is
        raise Refusal("SignatureDoesNotMatch", "X-Amz-Content-Sha256 is not the body's")
    request.context["timestamp"] = date
    verifier = Verifier(keys, service, region, signed)
    expected = verifier.signature(verifier.string_to_sign(request, verifier.canonical_request(request)), request)
    if not hmac.compare_digest(expected, signature):
        raise Refusal("SignatureDoesNotMatch", "The request signature we calculated does not match.")
    if keys.expired:
        raise Refusal("ExpiredTokenException", "The security token included in the request is expired", 400, False)
    return key_id
