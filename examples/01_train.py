"""Train the small convolutional QIF network on scikit-learn's digits and print what came out."""

from pathlib import Path

import qif_deploy


def main() -> None:
    outcome = qif_deploy.train("digits", out=Path("runs/example"))
    print(f"test accuracy {outcome.metrics['accuracy_test']:.4f}, model in {outcome.model}")


if __name__ == "__main__":
    main()
