# SPDX-License-Identifier: Apache-2.0
"""With the package installed: at a reboot agents get their own signal and their time, and at boot those come back that
were not stopped. suite/lib/reboot.sh is what the guest does before and after.
"""


def run(bed):
    bed.needs_package()
    with bed.guest("drive-package-reboot") as guest:
        bed.started(guest)
        bed.suite(guest, "lib/reboot.sh before", 1800)
        guest.reboot()
        guest.settled()
        bed.suite(guest, "lib/reboot.sh after", 1800)
