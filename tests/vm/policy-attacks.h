/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the policy is attacked with, one call at a time, in the current folder.  policy-harness.c
 * says who attacks, where, and what has to come of it. */

#include <stdbool.h>
#include <stdint.h>

/* 0 when it went through, else errno.  What it made lies about.  `nameless`: a descriptor of a file
 * without a name. */
typedef int (*AttackFunc)(int nameless);

typedef struct Attack {
        const char *name;
        uint32_t rule;
        AttackFunc run;
        bool only_btrfs; /* elsewhere it is ENOTTY without the policy */
} Attack;

#define N_ATTACKS 25u
extern const Attack attacks[N_ATTACKS];

/* 0 or errno, of a call that tells errors by -1. */
int outcome(long r);

int attack_clone(int nameless);
int attack_mkdir(int nameless);
int attack_tmpfile(int nameless);
int attack_resurrect(int nameless);
int attack_shm(int nameless);
int attack_sem(int nameless);
int attack_msg(int nameless);
int attack_mqueue(int nameless);

/* An ACL of five entries, one of which names `id`; tag is ACL_USER or ACL_GROUP. */
int set_acl(const char *path, const char *attribute, uint16_t tag, uint32_t id);
