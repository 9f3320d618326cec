"""The socket of whatever is served from this machine."""

import socket

import pytest

from rushes.errors import RushesError
from rushes.runs.listening import address_of, listen


def test_a_port_that_is_taken_is_named_with_what_to_type():
    with listen("127.0.0.1", 0) as taken, pytest.raises(RushesError, match="cannot listen") as caught:
        listen("127.0.0.1", taken.getsockname()[1])
    assert "--port 0" in str(caught.value)


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", None)])
def test_an_address_can_be_opened_by_others(host, said):
    try:
        listening = listen(host, 0)
    except RushesError:
        pytest.skip(f"this machine has no {host}")
    with listening:
        assert address_of(listening) == f"http://{said or socket.gethostname()}:{listening.getsockname()[1]}"


def test_answers_do_not_wait_for_acknowledgements():
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        taken, _ = listening.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
