# SPDX-License-Identifier: LGPL-2.1-or-later
# Compiler and linker flags of our own.  They go to EXTRA_CFLAGS and EXTRA_LDFLAGS, so that CFLAGS and
# LDFLAGS stay the user's.  Each flag is tried with -Werror, alone, before it is taken.

# NSR_TRY_CFLAG(FLAG): append FLAG to EXTRA_CFLAGS if the compiler takes it.
AC_DEFUN([NSR_TRY_CFLAG], [
        AC_MSG_CHECKING([whether $CC takes $1])
        nsr_save_CFLAGS=$CFLAGS
        CFLAGS="$CFLAGS -Werror $1"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
                [AC_MSG_RESULT([yes]); AS_VAR_APPEND([EXTRA_CFLAGS], [" $1"])],
                [AC_MSG_RESULT([no])])
        CFLAGS=$nsr_save_CFLAGS
])

# NSR_TRY_LDFLAG(FLAG): append FLAG to EXTRA_LDFLAGS if the linker takes it.
AC_DEFUN([NSR_TRY_LDFLAG], [
        AC_MSG_CHECKING([whether the linker takes $1])
        nsr_save_LDFLAGS=$LDFLAGS
        LDFLAGS="$LDFLAGS -Werror $1"
        AC_LINK_IFELSE([AC_LANG_PROGRAM()],
                [AC_MSG_RESULT([yes]); AS_VAR_APPEND([EXTRA_LDFLAGS], [" $1"])],
                [AC_MSG_RESULT([no])])
        LDFLAGS=$nsr_save_LDFLAGS
])

AC_DEFUN([NSR_FLAGS], [
        EXTRA_CFLAGS=
        EXTRA_LDFLAGS=
        SANITIZER_CFLAGS=

        AC_ARG_ENABLE([hardening],
                [AS_HELP_STRING([--disable-hardening], [leave compiler and linker hardening to the distribution])],
                [], [enable_hardening=yes])
        AC_ARG_ENABLE([sanitizers],
                [AS_HELP_STRING([--enable-sanitizers], [AddressSanitizer and UndefinedBehaviorSanitizer (not for the NSS module)])],
                [], [enable_sanitizers=no])
        AC_ARG_ENABLE([coverage],
                [AS_HELP_STRING([--enable-coverage], [gcov instrumentation])],
                [], [enable_coverage=no])

        # m4_defn keeps a flag with commas whole: expanded unquoted, -Wl,-z,now would be tried as -Wl.
        m4_foreach([nsr_flag], [[-Wall], [-Wextra], [-Wshadow], [-Wstrict-prototypes],
                        [-Wmissing-prototypes], [-Wold-style-definition], [-Wvla], [-Wformat=2],
                        [-Wimplicit-fallthrough], [-Wundef], [-Wwrite-strings], [-Wpointer-arith],
                        [-Werror=implicit-function-declaration], [-Werror=return-type],
                        [-Werror=incompatible-pointer-types], [-Wno-unused-parameter],
                        [-Wno-missing-field-initializers], [-fvisibility=hidden], [-fno-common]],
                [NSR_TRY_CFLAG(m4_defn([nsr_flag]))])
        m4_foreach([nsr_flag], [[-Wl,--as-needed]], [NSR_TRY_LDFLAG(m4_defn([nsr_flag]))])

        AS_IF([test "x$enable_hardening" != xno], [
                m4_foreach([nsr_flag], [[-fstack-protector-strong], [-fstack-clash-protection],
                                [-fcf-protection]], [NSR_TRY_CFLAG(m4_defn([nsr_flag]))])
                AS_IF([test "x$enable_sanitizers" = xno && test "x$enable_coverage" = xno],
                        [AS_CASE([" $CFLAGS "],
                                [*" -O0 "*|*_FORTIFY_SOURCE*], [],
                                [AS_VAR_APPEND([EXTRA_CFLAGS], [" -D_FORTIFY_SOURCE=2"])])])
                m4_foreach([nsr_flag], [[-Wl,-z,relro], [-Wl,-z,now], [-Wl,-z,noexecstack]],
                        [NSR_TRY_LDFLAG(m4_defn([nsr_flag]))])
                PIE_CFLAGS=-fPIE
                PIE_LDFLAGS=-pie
        ], [
                PIE_CFLAGS=
                PIE_LDFLAGS=
        ])
        AS_IF([test "x$enable_sanitizers" != xno], [
                SANITIZER_CFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
        ])
        AS_IF([test "x$enable_coverage" != xno], [
                AS_VAR_APPEND([SANITIZER_CFLAGS], [" --coverage"])
        ])
        AM_CONDITIONAL([ENABLE_SANITIZERS], [test "x$enable_sanitizers" != xno])
        # The reader's own test is built a second time with ThreadSanitizer, whatever else is built.  It has to run,
        # too: some kernels lay out memory in a way that the runtime of some compilers refuses.
        AC_CACHE_CHECK([whether programs of $CC -fsanitize=thread run], [nsr_cv_tsan], [
                nsr_save_CFLAGS=$CFLAGS
                CFLAGS="$CFLAGS -fsanitize=thread -fPIE -pie"
                AC_RUN_IFELSE([AC_LANG_PROGRAM()], [nsr_cv_tsan=yes], [nsr_cv_tsan=no], [nsr_cv_tsan=no])
                CFLAGS=$nsr_save_CFLAGS
        ])
        AM_CONDITIONAL([HAVE_TSAN], [test "x$nsr_cv_tsan" = xyes])
        # For tests/bats/artefacts.bats.
        AC_SUBST([NSR_HARDENING], [$enable_hardening])
        AC_SUBST([NSR_SANITIZERS], [$enable_sanitizers])
        AC_SUBST([EXTRA_CFLAGS])
        AC_SUBST([EXTRA_LDFLAGS])
        AC_SUBST([SANITIZER_CFLAGS])
        AC_SUBST([PIE_CFLAGS])
        AC_SUBST([PIE_LDFLAGS])
])
