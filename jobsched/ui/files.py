"""The page's own files: styles and scripts. A hash of them all is in their address, so they never change there."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Final

import attrs
from twisted.web.http import Request

from ..http.route import Route, whole
from ..model.errors import NotFound

FOLDER: Final = Path(__file__).parent / "static"
KINDS: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
FOREVER: Final = b"public, max-age=31536000, immutable"


@attrs.frozen
class File:
    """What is sent."""

    kind: bytes
    data: bytes
    compressed: bytes


class Files:
    """All files, read once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        found = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in KINDS}
        self.files = {
            name: File(KINDS[Path(name).suffix], data, gzip.compress(data, mtime=0)) for name, data in found.items()
        }
        together = b"\0".join(part for name, data in found.items() for part in (name.encode(), data))
        self.hash = hashlib.sha256(together).hexdigest()[:16]

    def url(self, name: str) -> str:
        """The address of a file."""
        assert name in self.files
        return f"/ui/static/{self.hash}/{name}"

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/ui/static/<version>/<name>", self.send, "A file of the page", scope="open")]

    async def send(self, request: Request, version: str, name: str) -> bytes:
        """200: the file."""
        file = self.files.get(name)
        if file is None or version != self.hash:
            raise NotFound("there is nothing at this path")
        request.setHeader(b"cache-control", FOREVER)
        request.setHeader(b"vary", b"accept-encoding")
        if b"gzip" in (request.getHeader(b"accept-encoding") or b""):
            request.setHeader(b"content-encoding", b"gzip")
            return whole(request, file.kind, file.compressed)
        return whole(request, file.kind, file.data)
