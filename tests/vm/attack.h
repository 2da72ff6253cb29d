/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Attacks on the rule that nothing owned by a lent ID comes to exist on a file system that outlives
 * its holder.
 *
 * An attack is a few functions over a Stage.  The runner (attack.c) makes a fresh scratch folder on
 * the host's file system for each, calls prepare() on the host, run() in a child inside a user
 * namespace that was lent a range, and host() on the host once more, all as the same ordinary user.
 * Two things then decide, and both are asserted: the error of the attack, and whether a look around
 * (found()) meets something that is owned by a lent ID.  Without a policy every attack must work:
 * that is how each is known to be able to fail.
 *
 * Knows nothing of BPF or the daemon: namespaces are asked for over a socket, as any client does.
 * Also built as a 32-bit program, so that every call goes through the kernel's compat entry points.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ORDINARY_USER 1000

/* A user namespace that was lent a range.  Its first process is gone: the descriptor keeps it. */
typedef struct Holder {
        int userns_fd;
        uint32_t start; /* the range's first ID on the host */
} Holder;

typedef struct Stage {
        const char *dir; /* scratch folder: the user's own, mode 0777 */
        int dir_fd;
        int proc_fd;        /* the host's /proc */
        const char *socket; /* where namespaces are asked for */
        uid_t user;         /* the ordinary user's IDs on the host, which are not mapped inside */
        gid_t group;
        Holder holder;
        int hand_over_fd; /* inside: carries a descriptor to host() */
        int spare_fd;     /* prepare() leaves a descriptor here, if it likes */
        void *shared;     /* a page that all processes of the attack see */
} Stage;

/* How an attacker stands towards the scratch folder, see attack-context.c. */
typedef struct Context {
        const char *name;
        void (*enter)(Stage *stage);
        bool fsuid_only;
} Context;

enum {
        ATTACK_EVERY_CONTEXT =
                1 << 0,              /* run once for each of attack_contexts[], else in the first */
        ATTACK_OWN_CONTEXT = 1 << 1, /* run() enters the namespace itself */
        ATTACK_NO_ERROR = 1 << 2,    /* no call returns the refusal: only what is found counts */
        ATTACK_LATE = 1 << 3,        /* needs lent inodes that are older than the protection */
        ATTACK_ROOT = 1 << 4,        /* prepare() and host() are root's: a helper that is misled */
        ATTACK_HARMLESS = 1 << 5,    /* allowed with the policy too (invariant I7) */
        ATTACK_NO_TRACE = 1 << 6,    /* leaves nothing that could be found, even if it works */
        ATTACK_NOT_BY_FSUID = 1 << 7, /* the effective UID decides */
};

typedef struct Attack {
        const char *name;
        const char *rule; /* of the policy, the one that is to refuse this */
        const char *fs;   /* only on this file system; NULL: everywhere */
        unsigned flags;
        int error; /* what the policy answers; 0: EPERM */
        void (*prepare)(Stage *stage);
        void (*before)(Stage *stage); /* ATTACK_LATE: inside, while the IDs are not protected yet */
        int (*run)(Stage *stage);
        int (*host)(Stage *stage, int fd); /* only if run() worked; fd: handed over, or -1 */
        bool (*found)(Stage *stage);       /* instead of a walk over the scratch folder */
} Attack;

/* Ended by an entry without a name. */
extern const Attack attack_make[], attack_owner[], attack_fs[], attack_ipc[], attack_uring[],
        attack_host[], attack_keys[], attack_nobody[], attack_harmless[];
extern const Context attack_contexts[];

/* A step that must work for the attack to mean anything: ends this process with a report if not. */
int must(int result, const char *what);
/* Ends this process: the attack cannot be made on this kernel or file system. */
_Noreturn void not_here(const char *why);
/* -errno if a system call failed, else 0. */
int outcome(int result);

/* Gives host() a descriptor. */
void hand_over(Stage *stage, int fd);

/* A range for a new user namespace.  Protected, as the daemon would, unless `late`; protect_late()
 * then does. */
Holder holder_new(Stage *stage, bool late);
void protect_late(Stage *stage);
/* Asks the lender, or the daemon, for a range for this namespace; what it answered if it refused.
 */
const char *ask_for_range(const char *socket, int userns_fd, bool late);
/* These rules of the policy do not judge what the lender lends from now on. */
void skip_rules(const char *socket, const char *rules);
/* NULL once no range of a dead namespace counts as held any more; what the lender said last if that
 * takes longer than two seconds. */
const char *ask_for_status(const char *socket);
/* Root becomes the ordinary user; others stay what they are. */
void drop_to_user(void);
/* Become `uid` and `gid` of a holder's namespace; (uid_t) -1 keeps the host's. */
void enter_holder(const Holder *holder, uid_t uid, gid_t gid);
/* A new user namespace below the current one, mapping root to root; in it. */
void enter_nested(bool mapped);
/* A mount namespace of one's own with a tmpfs at /tmp. */
void enter_mount_namespace(void);

/* A mount of the scratch folder with an id-map: lines of "on-the-disk on-the-host count".  Root
 * only. */
int idmapped_mount(Stage *stage, const char *map);

/* fork(); the child's result is what f returned. */
int in_child(int (*f)(Stage *stage), Stage *stage);

/* Whether something below `path`, or an entry of its ACLs, is owned by an ID of the pool. */
bool walk_finds(const char *path, bool verbose);
bool is_pool_id(uint32_t id);

/* Remove it as far as the current credentials allow. */
void remove_tree(const char *path);

/* Files inside the scratch folder. */
int touch_at(int dir_fd, const char *name, mode_t mode);
