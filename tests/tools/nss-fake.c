/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* A directory service for tests: an NSS module that answers from the file that NSR_FAKE_DIRECTORY
 * names, read again for each question.  Lines: "user NAME UID", "group NAME GID", "hang FIRST LAST"
 * (a question about these is never answered), "refuse FIRST LAST" (its server does not listen),
 * "absent FIRST LAST" (there is no server). */

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED enum nss_status _nss_fake_getpwuid_r(
        uid_t uid, struct passwd *entry, char *buffer, size_t size, int *error);
EXPORTED enum nss_status _nss_fake_getgrgid_r(
        gid_t gid, struct group *entry, char *buffer, size_t size, int *error);

/* The name of a user or group, in `buffer`. */
static enum nss_status find(const char *kind, unsigned id, char *buffer, size_t size, int *error) {
        const char *path = getenv("NSR_FAKE_DIRECTORY");
        enum nss_status status = NSS_STATUS_NOTFOUND;
        char word[64], name[128];
        unsigned first, last;
        FILE *file = path ? fopen(path, "re") : NULL;

        *error = ENOENT;
        if (!file)
                return NSS_STATUS_NOTFOUND;
        while (status == NSS_STATUS_NOTFOUND && fscanf(file, "%63s", word) == 1) {
                if (strcmp(word, "user") == 0 || strcmp(word, "group") == 0) {
                        if (fscanf(file, "%127s %u", name, &first) != 2 || first != id ||
                            strcmp(word, kind) != 0)
                                continue;
                        *error = ERANGE;
                        status = NSS_STATUS_TRYAGAIN;
                        if (strlen(name) < size) {
                                strcpy(buffer, name);
                                status = NSS_STATUS_SUCCESS;
                        }
                } else if (fscanf(file, "%u %u", &first, &last) == 2 && id >= first && id <= last) {
                        while (strcmp(word, "hang") == 0)
                                (void) pause();
                        *error = strcmp(word, "absent") == 0 ? ENOENT : ECONNREFUSED;
                        status = NSS_STATUS_UNAVAIL;
                }
        }
        (void) fclose(file);
        return status;
}

enum nss_status _nss_fake_getpwuid_r(
        uid_t uid, struct passwd *entry, char *buffer, size_t size, int *error) {
        enum nss_status status = find("user", uid, buffer, size, error);
        char *empty = buffer + size - 1;

        if (status != NSS_STATUS_SUCCESS)
                return status;
        *empty = '\0';
        *entry = (struct passwd){
                .pw_name = buffer,
                .pw_passwd = empty,
                .pw_uid = uid,
                .pw_gid = uid,
                .pw_gecos = empty,
                .pw_dir = empty,
                .pw_shell = empty,
        };
        return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_fake_getgrgid_r(
        gid_t gid, struct group *entry, char *buffer, size_t size, int *error) {
        static char *no_members[] = { NULL };
        enum nss_status status = find("group", gid, buffer, size, error);

        if (status != NSS_STATUS_SUCCESS)
                return status;
        buffer[size - 1] = '\0';
        *entry = (struct group){ .gr_name = buffer,
                                 .gr_passwd = buffer + size - 1,
                                 .gr_gid = gid,
                                 .gr_mem = no_members };
        return NSS_STATUS_SUCCESS;
}
