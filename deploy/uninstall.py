"""`make uninstall`: takes away what `make install` put there, and nothing else.

In: DESTDIR and PREFIX, as they were for the installation. Out: nothing but what was there before, and what others have
put there since. The configuration, the files of state below /etc/multipath and what `systemctl enable` made are the
administrator's: they stay. It runs from a checkout, and needs only the standard library.
"""

import argparse
import sys

from deploy import record


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Take an installation of mpathctl away.")
    parser.add_argument("--destdir", default="/", help="as it was for the installation")
    parser.add_argument("--prefix", default="/usr", help="as it was for the installation; default: %(default)s")
    options = parser.parse_args()
    where = record.root(options.destdir, options.prefix)
    if not record.is_installed(where):
        raise SystemExit(
            f"uninstall: {where.top / record.APPLICATION} has no record of an installation: give DESTDIR and PREFIX as"
            " they were; an installation that is older than the record gets one by being installed again"
        )
    try:
        stays = record.remove(where)
    except OSError as error:
        raise SystemExit(f"uninstall: {error.filename}: {error.strerror}") from error
    for path in stays:
        print(f"uninstall: {path} was changed since, and stays", file=sys.stderr)


if __name__ == "__main__":
    main()
