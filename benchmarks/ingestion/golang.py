"""The Go peer: found, built once for each version of its source, and kept."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "go"
CACHE: Final = Path("~/.cache/push-token-pipeline/go-ingress")
USUAL: Final = "/usr/local/go/bin"  # where Go's own installation puts it, often not on PATH
_BUILD_SECONDS: Final = 600.0


class NoGoError(RuntimeError):
    """The Go peer cannot be built here; the text says why."""


def build(cache: Path = CACHE) -> Path:
    """The program's path; builds it if this source was not built yet (needs Go, and its module proxy the first time).

    Raises:
        NoGoError: no toolchain, or it does not build.
    """
    source = [SOURCE / name for name in ("main.go", "go.mod", "go.sum")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in source)).hexdigest()[:16]
    program = cache.expanduser() / digest / "ingress"
    if program.exists():
        return program
    go = shutil.which("go") or shutil.which("go", path=USUAL)
    if go is None:
        raise NoGoError(f"no Go toolchain on PATH or in {USUAL}")
    program.parent.mkdir(parents=True, exist_ok=True)
    made = program.with_suffix(f".{os.getpid()}")
    try:
        subprocess.run(
            [go, "build", "-o", str(made), "."],
            cwd=SOURCE,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise NoGoError(f"`go build` failed: {error.stderr.strip()[-500:]}") from None
    except subprocess.TimeoutExpired:
        raise NoGoError(f"`go build` took longer than {_BUILD_SECONDS:.0f} s") from None
    return made.replace(program)
