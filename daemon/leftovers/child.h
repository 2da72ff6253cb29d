/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The child that removes leftovers: the order of its steps, and when it is done. */

/* What it runs, of a LeftoversTask; does not return. */
void leftovers_child(const void *task);
