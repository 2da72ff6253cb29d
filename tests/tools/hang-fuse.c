/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "tests/unit/hanging-fuse.h"

/* Mount a file system whose flush never ends on FOLDER, in a mount namespace of this process's own,
 * and serve it until killed, which ends the waiting of all who wait:
 *
 *      hang-fuse FOLDER
 */
int main(int argc, char **argv) {
        char options[128];
        int fd;

        if (argc != 2)
                return 2;
        fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        (void) snprintf(
                options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
                fd);
        if (fd < 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("hang-fuse", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                fprintf(stderr, "hang-fuse: %s\n", strerror(errno));
                return EXIT_FAILURE;
        }
        hanging_fuse_serve(fd);
}
