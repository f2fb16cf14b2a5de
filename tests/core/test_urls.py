"""Webhook URLs: what is taken, what is refused and why, and that libcurl reads the same."""

import doctest
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pycurl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hookline.core import urls
from hookline.core.errors import Invalid
from hookline.core.urls import check_webhook_url, receiver_of

GOOD = [
    "https://hooks.example.com/webhooks",
    "https://hooks.example.com",
    "http://localhost:8000/",
    "http://h?x=1",
    "HTTPS://Hooks.Example.COM/Path",
    "https://hooks.example.com:443/a",
    "http://h:1/",
    "http://h:65535/",
    "http://192.0.2.10/hook",
    "http://255.255.255.255",
    "http://[::1]:8080/x?y",
    "https://[2001:db8::1]/",
    "http://[::ffff:192.0.2.1]/",
    "https://xn--bcher-kva.example/",
    "https://my_service:3000/hook",
    "https://hooks.example.com./a",
    "https://4chan.example/",
    "https://a.1b/",
    "https://h/a;b=c/!$&'()*+,;=:@~",
    "https://h/?filter[a]=b&token=%2Fx%3d",
    "https://h/%41/a//b/...",
    "https://h/.well-known/..hidden",
    "https://h/?back=/../x",
    "https://" + ".".join(["a" * 63] * 3 + ["a" * 61]) + "/",
    "https://h/" + "a" * 502,
]

SCHEME = "begins with {}:, not with http:// or https://"
NOT_A_PORT = "has a port that is not a number from 1 to 65535"
NOT_IPV4 = "has a number as its host that is no plain IPv4 address"
NOT_IPV6 = "has brackets in its host that hold no IPv6 address"
PATH_DOTS = "has a . or .. segment in its path"
BAD_PERCENT = "has a % that two hexadecimal digits do not follow"
EMPTY_PART = "has an empty part between two dots in its host"
CREDENTIALS = "has a user name or password before an @"

BAD = [
    ("", "is empty"),
    ("https://h/" + "a" * 503, "has 513 characters; 512 are allowed"),
    ("x" * 100_000, "has 100000 characters; 512 are allowed"),
    # characters
    (" https://h/", "has a space at position 0"),
    ("https://h/ ", "has a space at position 10"),
    ("http://a b", "has a space at position 8"),
    ("https://h/\r\nX: y", "has a control character (U+000D) at position 10"),
    ("https://h/\n", "has a control character (U+000A) at position 10"),
    ("ht\ttps://h/", "has a control character (U+0009) at position 2"),
    ("https://h/\x00", "has a control character (U+0000) at position 10"),
    ("https://h/\x7f", "has a control character (U+007F) at position 10"),
    ("http://a\\@b", "has a backslash at position 8"),
    ("https:\\\\h/", "has a backslash at position 6"),
    ("https://bücher.example/", "has a character outside ASCII (U+00FC) at position 9"),
    ("https://h/é", "has a character outside ASCII (U+00E9) at position 10"),
    ("https://h。example/", "has a character outside ASCII (U+3002) at position 9"),
    ("https://h/\u2028", "has a character outside ASCII (U+2028) at position 10"),
    ("https://h/\ud800", "has a character outside ASCII (U+D800) at position 10"),
    ("https://h/{id}", "has the character { at position 10"),
    ("https://h/<a>", "has the character < at position 10"),
    ('https://h/"', 'has the character " at position 10'),
    ("https://h/a|b", "has the character | at position 11"),
    ("https://h/^", "has the character ^ at position 10"),
    ("https://h/`", "has the character ` at position 10"),
    # scheme
    ("hooks.example.com/webhooks", "has no scheme"),
    ("//hooks.example.com/", "has no scheme"),
    ("/webhooks", "has no scheme"),
    ("://h/", "has no scheme"),
    ("file:///etc/passwd", SCHEME.format("file")),
    ("gopher://h:25/_HELO", SCHEME.format("gopher")),
    ("javascript:alert(1)", SCHEME.format("javascript")),
    ("ftp://h/", SCHEME.format("ftp")),
    ("unix:/run/s", SCHEME.format("unix")),
    ("httpss://h/", SCHEME.format("httpss")),
    ("http+unix://h/", SCHEME.format("http+unix")),
    ("localhost:8000/x", SCHEME.format("localhost")),
    ("a" * 30 + "://h", SCHEME.format("a" * 20 + "...")),
    ("http:h", "does not have two slashes after http:"),
    ("http:/x", "does not have two slashes after http:"),
    ("http:///x", "does not have two slashes after http:"),
    ("HTTP:////x", "does not have two slashes after HTTP:"),
    # fragment
    ("https://h/#", "has a fragment (#...), which is never sent"),
    ("https://h#x@y/", "has a fragment (#...), which is never sent"),
    # authority
    ("https://", "has no host"),
    ("https://?x", "has no host"),
    ("https://:443/", "has a port but no host"),
    ("https://user@h/", CREDENTIALS),
    ("https://user:hunter2@h/", CREDENTIALS),
    ("https://@h/", CREDENTIALS),
    ("https://a@b@c/", CREDENTIALS),
    ("https://h:/", NOT_A_PORT),
    ("https://h:0/", NOT_A_PORT),
    ("https://h:080/", NOT_A_PORT),
    ("https://h:65536/", NOT_A_PORT),
    ("https://h:99999999999/", NOT_A_PORT),
    ("https://h:-1/", NOT_A_PORT),
    ("https://h:+1/", NOT_A_PORT),
    ("https://h:1_0/", NOT_A_PORT),
    ("https://h:http/", NOT_A_PORT),
    ("https://[::1]:0/", NOT_A_PORT),
    ("https://::1/", "has more than one colon in its host"),
    ("https://h:1:2/", "has more than one colon in its host"),
    ("https://[]/", NOT_IPV6),
    ("https://[::1/", NOT_IPV6),
    ("https://h]/", NOT_IPV6),
    ("https://[::1]x/", NOT_IPV6),
    ("https://x[::1]/", NOT_IPV6),
    ("https://[[::1]]/", NOT_IPV6),
    ("https://[192.0.2.1]/", NOT_IPV6),
    ("https://[h]/", NOT_IPV6),
    ("https://[::12345]/", NOT_IPV6),
    ("https://[v1.a]/", NOT_IPV6),
    ("https://[fe80::1%25eth0]/", NOT_IPV6),
    ("https://[fe80::1%eth0]/", NOT_IPV6),
    ("https://h%41/", "has a percent-encoded host"),
    ("https://h%2f@x/", CREDENTIALS),
    ("https://127.1/", NOT_IPV4),
    ("https://2130706433/", NOT_IPV4),
    ("https://0x7f000001/", NOT_IPV4),
    ("https://0177.0.0.1/", NOT_IPV4),
    ("https://127.0.0.01/", NOT_IPV4),
    ("https://127.0.0.0x1/", NOT_IPV4),
    ("https://127.0.0.1./", NOT_IPV4),
    ("https://256.0.0.1/", NOT_IPV4),
    ("https://1.2.3.4.5/", NOT_IPV4),
    ("https://a.08/", NOT_IPV4),
    ("https://a.0X/", NOT_IPV4),
    ("https://./", EMPTY_PART),
    ("https://a..b/", EMPTY_PART),
    ("https://.a/", EMPTY_PART),
    ("https://a../", EMPTY_PART),
    ("https://-a/", "has a host with the impossible part -a"),
    ("https://a-/", "has a host with the impossible part a-"),
    ("https://a.*.b/", "has a host with the impossible part *"),
    ("https://a,b/", "has a host with the impossible part a,b"),
    ("https://a'b/", "has a host with the impossible part a'b"),
    ("https://a!b/", "has a host with the impossible part a!b"),
    ("https://" + "a" * 64 + "/", "has a host with the impossible part " + "a" * 64),
    ("https://" + "a" * 99 + "/", "has a host with the impossible part " + "a" * 64),
    (
        "https://" + ".".join(["a" * 63] * 3 + ["a" * 62]) + "/",
        "has a host of 254 characters; 253 are possible",
    ),
    (
        "https://" + ".".join(["a" * 63] * 4) + "/",
        "has a host of 255 characters; 253 are possible",
    ),
    # path and query
    ("https://h/%", BAD_PERCENT),
    ("https://h/%4", BAD_PERCENT),
    ("https://h/%zz", BAD_PERCENT),
    ("https://h/?a=100%", BAD_PERCENT),
    ("https://h/./a", PATH_DOTS),
    ("https://h/a/../b", PATH_DOTS),
    ("https://h/..", PATH_DOTS),
    ("https://h/a/%2e%2E/b", PATH_DOTS),
    ("https://h/.%2e?x", PATH_DOTS),
]


def refusal(text: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check_webhook_url(text)
    return caught.value


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstring shows is what happens."""
    assert doctest.testmod(urls) == (0, 2)


@pytest.mark.parametrize("text", GOOD, ids=lambda text: text[:40])
def test_taken_as_it_is(text: str) -> None:
    """A good URL comes back unchanged: nothing is mended silently."""
    assert check_webhook_url(text) == text


@pytest.mark.parametrize(("text", "what"), BAD, ids=lambda text: ascii(text[:40]))
def test_refused_with_the_reason(text: str, what: str) -> None:
    """Each bad URL is refused for its own reason, and the hint shows one that would do."""
    error = refusal(text)
    assert error.message == f"The webhook URL {what}."
    assert (error.code, error.where, error.status) == ("invalid-url", "/webhook_url", 422)
    assert error.hint.endswith(", as in https://hooks.example.com/webhooks")


def test_the_url_in_the_hint_would_do() -> None:
    """The example in every hint passes the check itself."""
    example = refusal("").hint.rpartition(" ")[2]
    assert check_webhook_url(example) == example


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "Give the whole URL"),
        ("x" * 513, "Keep it short and look details up by a key"),
        ("h/x", "Begin it with https://"),
        ("ftp://h", "Begin with https://"),
        ("http:/h", "Write http://"),
        ("https://h/a b", "Leave it out or write it as %20"),
        ("https://h/{", "Leave it out or write it as %7B"),
        ("https://h/\n", "Leave it out"),
        ("https://h\\x", "Use forward slashes"),
        ("https://ü", "Write a host in its ASCII form (https://xn--bcher-kva.example)"),
        ("https://h/#a", "Leave out # and what follows"),
        ("https://a@b", "Put no credentials into the URL; verify the signature instead"),
        ("https://::1", "Put an IPv6 address in brackets, or name a host"),
        ("https://[1]", "Write an address such as [2001:db8::1] without a zone, or name the host"),
        ("https://h:0", "Leave out the colon and the port, or write a port such as :8443"),
        ("https://127.1", "Write four decimal numbers without leading zeros (192.0.2.10)"),
        ("https://%41", "Write the host in plain characters"),
        ("https://-a", "Use letters, digits and inner hyphens, at most 63 between two dots"),
        ("https://h/%", "Write a plain % as %25"),
        ("https://h/..", "Write the path that is meant"),
    ],
)
def test_the_hint_says_what_to_write(text: str, advice: str) -> None:
    """The hint is about this very mistake."""
    assert refusal(text).hint.startswith(advice)


@pytest.mark.parametrize(
    "text",
    [
        "https://hunter2:hunter2@h/",
        "https://h/hunter2/%",
        "https://h/hunter2/..",
        "https://h/?token=hunter2|",
        "https://h:0/?token=hunter2",
        "https://h:hunter2/",
        "https://h/?token=hunter2#x",
    ],
)
def test_no_secret_is_repeated(text: str) -> None:
    """Passwords, tokens and paths do not travel into error messages, and so into logs."""
    error = refusal(text)
    assert "hunter2" not in error.message + error.hint


GENUINE = st.sampled_from(GOOD)
SPICE = st.sampled_from([*"/\\@#?:%[]. \t\r\n\0é。", "//", "..", "%2e", "%00", "[::1]", "http://"])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(GENUINE)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 3)))
        spice = draw(SPICE | st.text(st.characters(exclude_categories=()), max_size=3))
        text = text[:start] + spice + text[end:]
    return text


@given(text=mutated() | st.text(st.characters(exclude_categories=())))
def test_nothing_but_invalid_is_raised(text: str) -> None:
    """Whatever is given comes back unchanged or is refused with Invalid."""
    try:
        assert check_webhook_url(text) == text
    except Invalid as error:
        refused = error.code
        assert refused == "invalid-url"


@pytest.fixture(scope="module")
def read_by_libcurl() -> Iterator[Callable[[str], str]]:
    """Ask libcurl for a URL through a proxy on loopback, and tell what the proxy was asked for."""
    asked: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))
    proxy = f"http://127.0.0.1:{server.getsockname()[1]}"

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                line = connection.recv(65536).decode("latin-1").partition("\r\n")[0]
                if line.startswith("STOP "):
                    return
                asked.append(line.split(" ")[1])
                connection.sendall(b"HTTP/1.1 502 no\r\nContent-Length: 0\r\n\r\n")

    def read(url: str) -> str:
        curl = pycurl.Curl()
        try:
            curl.setopt(pycurl.URL, url)
            curl.setopt(pycurl.PROXY, proxy)
            curl.setopt(pycurl.NOPROXY, "")
            curl.setopt(pycurl.TIMEOUT, 10)
            curl.setopt(pycurl.WRITEFUNCTION, len)
            curl.perform()
        finally:
            curl.close()
        return asked.pop()

    thread = threading.Thread(target=serve)
    thread.start()
    yield read
    with socket.create_connection(server.getsockname()) as last:
        last.sendall(b"STOP \r\n")
    thread.join(10)
    server.close()


def as_plain(url: str) -> str:
    """Spell what is meant as libcurl asks a proxy for it."""
    parts = urlsplit(url)
    # For http, libcurl sends the URL without a default port; a lone "?" goes, and "/" is the path.
    port = "" if parts.port in {None, 80} else f":{parts.port}"
    host = url.split("/")[2].partition("?")[0]
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    query = f"?{parts.query}" if parts.query else ""
    return f"http://{name}{port}{parts.path or '/'}{query}"


@pytest.mark.parametrize(
    "text", [url for url in GOOD if url.startswith("http:")] + ["http://h?", "http://h:80/a"]
)
def test_libcurl_reads_the_same(text: str, read_by_libcurl: Callable[[str], str]) -> None:
    """The host, port, path and query that libcurl asks for are those that stand in the URL."""
    assert check_webhook_url(text) == text
    assert read_by_libcurl(text) == as_plain(text)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("http:/h/x", "http://h/x"),
        ("http:///h/x", "http://h/x"),
        ("http://a\\@b/", "http://b/"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://127.0.0.1./", "http://127.0.0.1/"),
        ("http://h%41/", "http://hA/"),
        ("http://h/a/%2e%2e/b", "http://h/b"),
    ],
)
def test_what_libcurl_reads_otherwise_is_refused(
    text: str, read_as: str, read_by_libcurl: Callable[[str], str]
) -> None:
    """The dangerous spellings are real: libcurl does turn them into something else."""
    assert read_by_libcurl(text) == read_as
    assert refusal(text).code == "invalid-url"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=mutated().map(lambda text: "http" + text.removeprefix("https").removeprefix("http")))
def test_whatever_is_taken_libcurl_reads_the_same(
    text: str, read_by_libcurl: Callable[[str], str]
) -> None:
    """No mutation of a good URL is taken here and understood differently there."""
    try:
        check_webhook_url(text)
    except Invalid:
        assume(False)
    assume(text.startswith("http:") and "[" not in text.partition("?")[0])
    assert read_by_libcurl(text) == as_plain(text)


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://h.example/", "h.example:443"),
        ("HTTP://h.example", "h.example:80"),
        ("http://h.example:8080/a:1?b=http://c:9", "h.example:8080"),
        ("https://[2001:db8::1]/x", "[2001:db8::1]:443"),
        ("https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443"),
        ("https://user:p@ss@h.example/x", "h.example:443"),
        ("no url", ""),
    ],
)
def test_the_receiver_is_host_and_port_and_nothing_else(url, receiver):
    """Neither path nor query nor user gets into the log."""
    assert receiver_of(url) == receiver
