/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether polkit reads the rule that denies lent IDs every action. */

#define POLKIT_RULE_NAME "00-nsresource.rules"

typedef enum PolkitRule {
        POLKIT_RULE_READ,
        POLKIT_RULE_NO_POLKIT, /* nobody here asks for one */
        POLKIT_RULE_NEWER,     /* it lies where only polkit 125 and later reads it */
        POLKIT_RULE_UNSEEN,    /* the folder of the administrator's rules is closed to us */
        POLKIT_RULE_MISSING,
} PolkitRule;

/* *ret_path: where it is; NULL if it is not found.  Static. */
PolkitRule polkit_rule_find(const char **ret_path);
