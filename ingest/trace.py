"""W3C Trace Context (level 1): what a request brings goes on into its record's headers. Pure.

Nothing is started here: the ingress records no spans, so a trace of its own would begin at a parent that nobody has.
"""

import re
from typing import Final

from schemas.cloudevents import Headers

# Section 3.2.2: version, trace id, parent id, flags; a later version may have more behind another `-`.
_PARENT: Final = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Section 3.3.1.
_KEY: Final = rb"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE: Final = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER: Final = re.compile(_KEY + b"=" + _VALUE)
_MAX_MEMBERS: Final = 32  # section 3.3.1.1
_MAX_STATE: Final = 512  # bytes: what everybody should pass on (section 3.3.1.5), and as much as we keep
_LONG_MEMBER: Final = 128  # longer ones go first (same section)
_MAX_LINES: Final = 8192  # bytes of `tracestate` that are looked at


def trace_headers(request: list[tuple[bytes, bytes]]) -> Headers:
    """The headers for a record (CloudEvents' distributed tracing extension has the same names); none without a trace.

    Args:
        request: the request's headers, names in lower case. A `traceparent` that breaks a rule, or two of them, are
            as good as none, and then `tracestate` is not looked at (section 4.3).
    """
    parents = [value for name, value in request if name == b"traceparent"]
    match = _PARENT.fullmatch(parents[0].strip(b" \t")) if len(parents) == 1 else None
    if match is None or (match[1] == b"00" and match[5]):
        return []
    # What a later version adds is not ours to pass on: we speak version 00 (section 3.2.4), with one flag.
    flags = match[4] if match[1] == b"00" else b"%02x" % (int(match[4], 16) & 1)
    found: Headers = [("traceparent", b"00-%b-%b-%b" % (match[2], match[3], flags))]
    state = _state([value for name, value in request if name == b"tracestate"])
    if state:
        found.append(("tracestate", state))
    return found


def _state(lines: list[bytes]) -> bytes:
    """`tracestate` within its bounds (bytes), or empty if it breaks a rule."""
    text = b",".join(lines)
    if not text or len(text) > _MAX_LINES:
        return b""
    members = [member for part in text.split(b",") if (member := part.strip(b" \t"))]
    keys = {member.partition(b"=")[0] for member in members}
    if len(members) > _MAX_MEMBERS or len(keys) < len(members) or not all(map(_MEMBER.fullmatch, members)):
        return b""
    if _size(members) > _MAX_STATE:
        for member in [member for member in members if len(member) > _LONG_MEMBER]:
            members.remove(member)
    while _size(members) > _MAX_STATE:
        members.pop()
    return b",".join(members)


def _size(members: list[bytes]) -> int:
    return sum(map(len, members)) + max(0, len(members) - 1)
