"""Does it fit, and what does an owner of the chip get? Place the network on cores and write the files that leave the house.

Starts from the folder of ``01_train_quantize_verify.py``. Prints the placement layer by layer with the resource that binds, and
the files: ONNX, netx for lava-dl, and a bundle for owners of Loihi 2 that checks itself. Nothing was run on silicon.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import qif_deploy


def main(folder: Path) -> None:
    network = folder / "net.nir"
    mapping = qif_deploy.map(network, target="loihi2-lava")
    print(f"{mapping.chip.name}: {'fits' if mapping.fits else 'does not fit'}, {mapping.cores} cores")
    for layer in mapping.as_json()["layers"]:
        print(f"  {layer['name']:8} {layer['cores']} cores of tile {layer['tile']}, bound by {layer['binding']}")

    for kind in ("onnx", "netx"):
        report = qif_deploy.export(network, to=kind).as_json()  # read back and run against the reference before it appears
        print(f"{kind}: {report['path']}")

    bundle = folder / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)  # a bundle is never written over another one
    written = qif_deploy.export(network, to="loihi2-bundle", out=bundle).as_json()
    print(f"bundle: {', '.join(sorted(written['files']))}; {written['silicon']}")
    # What an owner of the chip runs; it needs NumPy and nothing of this project.
    checked = subprocess.run([sys.executable, str(bundle / "compare.py")], check=True, capture_output=True, text=True)
    print(checked.stdout.strip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/examples"), help="the folder of example 01")
    main(parser.parse_args().out)
