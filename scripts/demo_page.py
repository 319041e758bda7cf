"""Put the page of docs/demo together: its files, ONNX Runtime for browsers, models and pictures.

    python scripts/demo_page.py work/demo
    python -m http.server --directory work/demo

ONNX Runtime comes from its npm package, by `npm pack`; its SHA-512 is checked.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PACKAGE = "onnxruntime-web@1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
NETWORKS = ("is-resnext", "msdnet", "i-resnext")
GROUPS = {"Clothing (Fashion-MNIST)": "fashion-mnist-quick", "Animals and vehicles": "cifar10"}
TEST_IMAGES = ROOT / "data/embedded/fashion-mnist/t10k-images-idx3-ubyte.gz"
PICTURES = 10


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write the page into FOLDER, which any server of static files can show."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for name in ("index.html", "demo.js"):
        shutil.copy(ROOT / "docs/demo" / name, folder)
    if not all((folder / "ort" / name).is_file() for name in FILES):
        fetch_onnxruntime(folder / "ort")
    shown = [f"pictures/{path.name}" for path in write_pictures(folder / "pictures")]
    groups = []
    for name, dataset in GROUPS.items():
        networks = [f"models/{dataset}/{network}" for network in NETWORKS]
        for network in networks:
            shutil.copytree(ROOT / network, folder / network, dirs_exist_ok=True)
        pictures = shown if dataset.startswith("fashion-mnist") else []
        groups.append({"name": name, "networks": networks, "pictures": pictures})
    (folder / "demo.json").write_text(json.dumps({"groups": groups}), encoding="utf-8")


def fetch_onnxruntime(folder: Path) -> None:
    """Unpack ONNX Runtime's FILES into a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        packed = subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=temporary, check=False)
        archives = list(Path(temporary).glob("*.tgz"))
        if packed.returncode or not archives:
            raise click.ClickException(f"npm cannot get {PACKAGE}")
        content = archives[0].read_bytes()
        if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
            raise click.ClickException(f"what npm gave as {PACKAGE} has another SHA-512")
        folder.mkdir(exist_ok=True)
        with tarfile.open(archives[0]) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None
                (folder / name).write_bytes(member.read())


def write_pictures(folder: Path) -> list[Path]:
    """The first test images of Fashion-MNIST (MIT licence) as PNG files."""
    pixels = np.frombuffer(gzip.decompress(TEST_IMAGES.read_bytes()), np.uint8, offset=16)
    paths = [folder / f"{number}.png" for number in range(PICTURES)]
    for path, image in zip(paths, pixels.reshape(-1, 28, 28), strict=False):
        Image.fromarray(image).save(path)
    return paths


if __name__ == "__main__":
    main()
