"""Makes the agent importable: it is a wheel of its own and not installed beside the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "agents"))
