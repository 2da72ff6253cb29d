/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "nss/pack.h"

#include <stdint.h>
#include <string.h>

#include "lib/table/describe.h"

/* What is left of the caller's buffer. */
typedef struct Packer {
        char *next;
        size_t left;
} Packer;

/* A copy of n bytes and a NUL; NULL if there is no room.  Lengths are known where texts are made:
 * strlen() would be much of a look-up's time. */
static inline char *pack_text(Packer *packer, const char *text, size_t n) {
        char *copy = packer->next;

        if (n >= packer->left)
                return NULL;
        memcpy(copy, text, n);
        copy[n] = '\0';
        packer->next += n + 1;
        packer->left -= n + 1;
        return copy;
}

#define pack_literal(packer, text) pack_text((packer), text, sizeof(text) - 1)

/* A list of nothing: one NULL, where a pointer may stand. */
static char **pack_empty_list(Packer *packer) {
        size_t padding = -(uintptr_t) packer->next % _Alignof(char *);
        char **list;

        if (padding > packer->left || sizeof(char *) > packer->left - padding)
                return NULL;
        list = (char **) (void *) (packer->next + padding);
        list[0] = NULL;
        packer->next += padding + sizeof(char *);
        packer->left -= padding + sizeof(char *);
        return list;
}

static char *pack_name(Packer *packer, const TableAnswer *answer) {
        char name[TABLE_USER_NAME_MAX + 1];

        return pack_text(packer, name, table_user_name(answer, name));
}

bool nss_pack_passwd(
        const TableAnswer *answer, char *buffer, size_t size, struct passwd *ret_passwd) {
        Packer packer = { .next = buffer, .left = size };
        char description[TABLE_DESCRIPTION_MAX + 1];
        size_t n = table_describe_user(answer, description);
        struct passwd passwd;

        passwd = (struct passwd){
                .pw_name = pack_name(&packer, answer),
                .pw_passwd = pack_literal(&packer, "x"), /* look into shadow */
                .pw_uid = answer->id,
                .pw_gid = answer->id,
                .pw_gecos = pack_text(&packer, description, n),
                .pw_dir = pack_literal(&packer, TABLE_USER_HOME),
                .pw_shell = pack_literal(&packer, TABLE_USER_SHELL),
        };
        if (!passwd.pw_name || !passwd.pw_passwd || !passwd.pw_gecos || !passwd.pw_dir ||
            !passwd.pw_shell)
                return false;
        *ret_passwd = passwd;
        return true;
}

bool nss_pack_group(const TableAnswer *answer, char *buffer, size_t size, struct group *ret_group) {
        Packer packer = { .next = buffer, .left = size };
        struct group group = {
                .gr_mem = pack_empty_list(&packer),
                .gr_name = pack_name(&packer, answer),
                .gr_passwd = pack_literal(&packer, "x"),
                .gr_gid = answer->id,
        };

        if (!group.gr_mem || !group.gr_name || !group.gr_passwd)
                return false;
        *ret_group = group;
        return true;
}

bool nss_pack_shadow(
        const TableAnswer *answer, char *buffer, size_t size, struct spwd *ret_shadow) {
        Packer packer = { .next = buffer, .left = size };
        struct spwd shadow = {
                .sp_namp = pack_name(&packer, answer),
                .sp_pwdp = pack_literal(&packer, "!*"),
                .sp_lstchg = -1, /* as nss-systemd says: there never was a password */
                .sp_min = -1,
                .sp_max = -1,
                .sp_warn = -1,
                .sp_inact = -1,
                .sp_expire = 1, /* 0 means never to some */
                .sp_flag = (unsigned long) -1,
        };

        if (!shadow.sp_namp || !shadow.sp_pwdp)
                return false;
        *ret_shadow = shadow;
        return true;
}
