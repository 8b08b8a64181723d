"""The floor under a full reindex: a plain loop that only reads, checks and hashes, and writes what it found.

It checks each package's metadata against its Manifest, computes the digests that the index carries, and writes Packages and a
gzip form. It evaluates no dependency, checks no name, keeps no state, takes no lock. For signed packages one gpg for each batch
checks the Manifests. usage: python -m bench.floor PKGDIR OUTPUT PROCESSES [GPGHOME]
"""

from __future__ import annotations

import gzip
import hashlib
import io
import multiprocessing
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import zstandard


def read(path: Path) -> tuple[str, bytes]:
    """The entry of one package, and its Manifest."""
    data = path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as container:
        members = {member.name.rpartition("/")[2]: container.extractfile(member) for member in container}
    contents = {name: file.read() for name, file in members.items() if file and not name.startswith("image")}
    for line in contents["Manifest"].decode().splitlines():
        words = line.split()
        if words[:1] == ["DATA"] and words[1] in contents:
            content = contents[words[1]]
            values = dict(zip(words[3::2], words[4::2], strict=True))
            assert values == {"BLAKE2B": hashlib.blake2b(content).hexdigest(), "SHA512": hashlib.sha512(content).hexdigest()}
    inner = zstandard.ZstdDecompressor().stream_reader(contents["metadata.tar.zst"]).read()
    with tarfile.open(fileobj=io.BytesIO(inner), mode="r:") as archive:
        metadata = {member.name[9:]: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    lines = {key: " ".join(value.decode().split()) for key, value in metadata.items() if key.isupper()}
    lines |= {name.upper(): hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "blake2b", "sha512")}
    return "".join(f"{key}: {lines[key]}\n" for key in sorted(lines)), contents["Manifest"]


def work(paths: list[Path], home: str | None) -> list[str]:
    entries, manifests = zip(*map(read, paths), strict=True)
    if home is not None:
        with tempfile.TemporaryDirectory() as folder:
            for number, manifest in enumerate(manifests):
                Path(folder, str(number)).write_bytes(manifest)
            command = ["gpg", "--homedir", home, "--batch", "--no-tty", "--no-auto-check-trustdb", "--status-fd", "1"]
            names = [str(Path(folder, str(number))) for number in range(len(manifests))]
            done = subprocess.run([*command, "--multifile", "--verify", *names], capture_output=True, check=True)
            assert done.stdout.count(b"[GNUPG:] VALIDSIG") == len(paths)
    return list(entries)


def main() -> None:
    pkgdir, output, processes, *home = sys.argv[1:]
    paths = sorted(Path(pkgdir).rglob("*.gpkg.tar"))
    batches = [(paths[start : start + 128], home[0] if home else None) for start in range(0, len(paths), 128)]
    if processes == "1":
        results = [work(*batch) for batch in batches]
    else:
        with multiprocessing.Pool(int(processes)) as pool:
            results = pool.starmap(work, batches)
    text = "\n".join(entry for batch in results for entry in batch).encode()
    Path(output).write_bytes(text)
    Path(f"{output}.gz").write_bytes(gzip.compress(text))


if __name__ == "__main__":
    main()
