"""The words for an attempt without an answer: what the receiver did, then what the transport says."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core import words
from hookline.core.outcome import Reason
from hookline.core.words import LONGEST_QUOTE, Progress, in_words, looks_malformed, printable

NOWHERE = Progress(connected=False, sent=False, begun=False)
CONNECTED = NOWHERE._replace(connected=True)
SENT = CONNECTED._replace(sent=True)
BEGUN = SENT._replace(begun=True)
TIMED_OUT = "Operation timed out after 1001 milliseconds with 0 bytes received"
VERIFY = "SSL certificate OpenSSL verify result: "


def test_the_example_in_the_docstring_is_true():
    """What the docstring shows is what happens."""
    assert doctest.testmod(words) == (0, 1)


@pytest.mark.parametrize(
    ("reason", "text", "progress", "plain"),
    [
        (Reason.SLOW, "Resolving timed out after 1000 milliseconds", NOWHERE,
         "the resolver did not say in time which address the host has"),
        (Reason.SLOW, "Connection timed out after 1000 milliseconds", NOWHERE,
         "no connection came about in time: nothing answers there, or a firewall is silent"),
        (Reason.SLOW, "Connection timed out after 1000 milliseconds", CONNECTED,
         "the receiver accepted the connection but did not finish the TLS handshake in time"),
        (Reason.SLOW, "SSL connection timeout", CONNECTED,
         "the receiver accepted the connection but did not finish the TLS handshake in time"),
        (Reason.SLOW, TIMED_OUT, CONNECTED, "the receiver did not read the whole request in time"),
        (Reason.SLOW, TIMED_OUT, SENT, "the receiver took the request but did not answer in time"),
        (Reason.SLOW, TIMED_OUT, BEGUN, "the receiver began to answer but did not finish in time"),
        (Reason.DNS, "Could not resolve host: a.example", NOWHERE,
         "the host of the webhook URL has no address: no resolver knows the name"),
        (Reason.REFUSED, "Failed to connect to a.example port 1 after 0 ms", NOWHERE,
         "no connection came about: nothing listens there, or a firewall refuses"),
        (Reason.REFUSED, "no socket for 192.0.2.1: Too many open files", NOWHERE,
         "this machine could make no socket"),
        (Reason.RESET, "Empty reply from server", SENT,
         "the receiver closed the connection without an answer"),
        (Reason.RESET, "Recv failure: Connection reset by peer", SENT,
         "the receiver reset the connection without an answer"),
        (Reason.RESET, "Recv failure: Connection reset by peer", CONNECTED,
         "the receiver ended the connection before it had the whole request"),
        (Reason.RESET, "Send failure: Broken pipe", SENT,
         "the receiver ended the connection without an answer"),
        (Reason.RESET, "end of response with 5 bytes missing", BEGUN,
         "the receiver ended the connection in the middle of its answer"),
        (Reason.TLS, VERIFY + "certificate has expired (10)", CONNECTED,
         "the receiver's certificate has expired"),
        (Reason.TLS, VERIFY + "certificate is not yet valid or the system clock is incorrect (9)",
         CONNECTED, "the receiver's certificate is not valid yet, or a clock is wrong"),
        (Reason.TLS, VERIFY + "self-signed certificate (18)", CONNECTED,
         "the receiver's certificate is self-signed"),
        (Reason.TLS, VERIFY + "self-signed certificate in certificate chain (19)", CONNECTED,
         "no authority trusted here has signed the receiver's certificate"),
        (Reason.TLS, VERIFY + "unable to get local issuer certificate (20)", CONNECTED,
         "no authority trusted here has signed the receiver's certificate"),
        (Reason.TLS, "SSL: no alternative certificate subject name matches target host name 'a'",
         CONNECTED, "the receiver's certificate is for another host than the URL names"),
        (Reason.TLS, "TLS connect error: error:0A00010B:SSL routines::wrong version number",
         CONNECTED, "the receiver does not speak TLS on this port; perhaps the URL should begin "
         "with http://"),
        (Reason.TLS, "TLS connect error: error:0A000410:SSL routines::sslv3 alert", CONNECTED,
         "the TLS handshake failed"),
        (Reason.MALFORMED, "Received HTTP/0.9 when not allowed", SENT, "what came back is not HTTP"),
        (Reason.MALFORMED, "Too large response headers: 307547 > 307200", BEGUN,
         "the headers of the answer are too long"),
        (Reason.MALFORMED, "Too many response headers, 5000 is max", BEGUN,
         "the headers of the answer are too many"),
        (Reason.MALFORMED, "something new", BEGUN, "the answer is not valid HTTP"),
    ],
)  # fmt: skip
def test_words(reason, text, progress, plain):
    """What the receiver did in plain words, and what libcurl says of it behind them."""
    assert in_words(reason, text, progress) == f"{plain}; transport: {text}"


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("progress", [NOWHERE, CONNECTED, SENT, BEGUN])
def test_there_are_words_for_everything(reason, progress):
    """Where the transport says nothing, or nothing known, the reason and the progress suffice."""
    alone = in_words(reason, "", progress)
    assert len(alone) > 20
    assert "transport" not in alone
    assert in_words(reason, "???", progress) == f"{alone}; transport: ???"


@pytest.mark.parametrize(
    ("text", "malformed"),
    [
        ("Too large response headers: 307547 > 307200", True),
        ("Too many response headers, 5000 is max", True),
        ("chunk hex-length char not a hex digit: 0x7a", True),
        ("invalid chunk size: 'fffffffffffffffff'", True),
        ("Malformed encoding found in chunked-encoding", True),
        ("Recv failure: Connection reset by peer", False),
        ("", False),
    ],
)
def test_what_is_malformed_though_its_code_is_another(text, malformed):
    """Libcurl gives some malformed answers the code of a broken connection."""
    assert looks_malformed(text) is malformed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, \u00fc and \u4e2d", "plain, \u00fc and \u4e2d"),
        ("\x1b[2J\r\n\t\0", "\\x1b[2J\\r\\n\\t\\x00"),
        ("\udcff\u202e\U000e0001", "\\udcff\\u202e\\U000e0001"),
        ("'\"\\", "'\"\\"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    """Neither a terminal nor a database is handed a stranger's control codes or half characters."""
    assert printable(text, 100) == shown


@given(st.sampled_from(Reason), st.text(st.characters(exclude_categories=())), st.booleans())
def test_any_text_can_be_shown_and_stored(reason, text, begun):
    """Whatever bytes of strangers libcurl repeats, the detail is one printable line, and short."""
    detail = in_words(reason, text, BEGUN._replace(begun=begun))
    assert detail.isprintable()
    assert len(detail.encode()) < 200 + 10 * (LONGEST_QUOTE + 1)
