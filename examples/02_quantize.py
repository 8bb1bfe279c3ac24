"""Quantise a trained model and look at what the range proof says of every population."""

from pathlib import Path

import qif_deploy

MODEL = Path("runs/example/model.safetensors")


def main() -> None:
    outcome = qif_deploy.quantize(MODEL, target="loihi2")
    report = qif_deploy.check(outcome.path, target="loihi2")
    print(f"verdict {report.verdict}, {len(report.findings)} findings")
    for name, rows in report.ranges.items():
        for quantity, (low, high, bits, verdict) in rows.items():
            print(f"{name:10} {quantity:6} {low:>12} .. {high:<12} {bits:2} bits  {verdict}")


if __name__ == "__main__":
    main()
