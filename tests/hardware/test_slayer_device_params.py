"""The codes in the form that lava-dl's files carry. Needs neither torch nor lava-dl."""

from __future__ import annotations

import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_hardware.lava.slayer.neuron_params import NeuronParams, constants_from_device_params, device_params_of, neuron_codes
from tests.export.fresh_python import run_fresh
from tests.networks import LOIHI2


@pytest.mark.parametrize("u_min", [None, -2.0])
@pytest.mark.parametrize("reset", ResetMode)
def test_device_params_round_trip(reset, u_min):
    params = QIFParams.of(c2=np.linspace(0.1, 0.3, 7), c1=0.9, c0=0.05, u_reset=-0.1, u_min=u_min, reset=reset)
    constants = neuron_codes(NeuronParams(params=params, number_format=LOIHI2, half_width=np.array([0.6])))
    device_params = {key: value.encode() if isinstance(value, str) else value for key, value in device_params_of(constants, 3).items()}
    assert constants_from_device_params(device_params) == (constants, 3)


def test_another_neuron_or_a_missing_code_is_refused():
    with pytest.raises(InputError, match="type 'CUBA'"):
        constants_from_device_params({"type": b"CUBA"})
    with pytest.raises(InputError, match=r"type 'QIF' lacks .*'c2m'"):
        constants_from_device_params({"type": b"QIF"})


def test_without_lava_dl_the_entry_says_how_to_get_it():
    script = (
        "import importlib.metadata as m\n"
        "def version(name): raise m.PackageNotFoundError(name)\n"
        "m.version = version\n"
        "import qif_hardware.lava.slayer\n"
        "from qif_deploy.errors import MissingDependencyError\n"
        "try:\n"
        "    import qif_hardware.lava.slayer._slayer\n"
        "except MissingDependencyError as error:\n"
        "    print(error)\n"
    )
    (line,) = run_fresh(script)
    assert "pip install 'qif-deploy[lava-dl]'" in line
    assert "3.10" in line
