from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

# A shell starts background jobs with SIGINT ignored, and children inherit that.
RAGLINE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from ragline.cli.app import main; main()"
)


def test_ctrl_c_ends_a_push_at_once_even_if_the_api_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(30)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", RAGLINE, "push", "a.md"]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "RAGLINE_API_URL": address},
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as pushing:
            try:
                with silent.accept()[0]:  # the push waits for an answer now
                    pushing.send_signal(signal.SIGINT)
                    assert pushing.wait(20) == 130
                assert pushing.stderr
                assert b"Traceback" not in pushing.stderr.read()
            finally:
                pushing.kill()
