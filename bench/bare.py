"""The limit that everything is compared with: bare libcurl, one thread, signed 2 KB POSTs.

``python -m bench.bare URL COUNT`` prints the POSTs a second.
"""

import hmac
import select
import socket
import sys
import time
from typing import Any

import pycurl

from bench.load import PAD

IN_FLIGHT = 100


def main() -> None:
    url, total = sys.argv[1], int(sys.argv[2])
    body = b'{"n":1,"x":"' + PAD.encode() + b"x" * 250 + b'"}'
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, 1000)
    epoll = select.epoll()

    def open_socket(_purpose: int, address: Any) -> socket.socket:
        made = socket.socket(address.family, address.socktype, address.protocol)
        made.setblocking(False)
        epoll.register(made.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        return made

    def arm(curl: Any) -> None:
        signature = hmac.digest(b"k" * 64, body, "sha256").hex()
        headers = ["Content-Type: application/json", "Request-ID: " + "a" * 32]
        headers += ["Sentry-Hook-Resource: issue", "Sentry-Hook-Timestamp: 1767225600"]
        headers += ["Sentry-Hook-Signature: " + signature]
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.POSTFIELDS, body)
        multi.add_handle(curl)

    started = done = 0
    began = time.perf_counter()
    for _ in range(min(IN_FLIGHT, total)):
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.TIMEOUT_MS, 1000)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, open_socket)
        curl.setopt(pycurl.WRITEFUNCTION, lambda _data: None)
        arm(curl)
        started += 1
    while done < total:
        multi.perform()
        _, succeeded, failed = multi.info_read()
        if failed:
            sys.exit(f"bare libcurl failed: {failed[0][2]}")
        for curl in succeeded:
            multi.remove_handle(curl)
            done += 1
            if started < total:
                started += 1
                arm(curl)
        if not succeeded:
            epoll.poll(0.01)
    print(total / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
