# SPDX-License-Identifier: Apache-2.0
"""With the package installed: at a reboot agents get their own signal and their time, and at boot those come back that
were not stopped. suite/lib/reboot.sh is what the guest does before and after.
"""
from bed import PLACE


def run(bed):
    if not bed.debs:
        from cases import Skip
        raise Skip("the package (--deb)")
    told = "; ".join(f"export {name}={value}" for name, value in bed.environment().items())
    script = f"{told}; sh {PLACE}/tests/vm/suite/lib/reboot.sh"
    with bed.guest("drive-package-reboot") as guest:
        bed.started(guest)
        guest.check(f"{script} before", 1800)
        guest.reboot()
        guest.settled()
        guest.check(f"{script} after", 1800)
