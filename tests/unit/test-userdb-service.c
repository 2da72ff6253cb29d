/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* The provider's service in this process: a table, an /etc of its own, and peers of several UIDs.
 * Nothing here looks at a clock: what is asked is how much happens in one turn of the main loop. */

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/util/fd.h"
#include "tests/unit/table-fixture.h"
#include "tests/unit/unit.h"
#include "userdb/user-filter.h"
#include "userdb/service.h"

#define SERVICE "\"service\":\"io.systemd.NamespaceResource\""
#define CALL(method, more, parameters)                                      \
        "{\"method\":\"io.systemd.UserDatabase." method "\",\"more\":" more \
        ",\"parameters\":{" parameters SERVICE "}}"
#define ERROR(name) "{\"error\":\"io.systemd.UserDatabase." name "\"}"
#define NO_RECORD ERROR("NoRecordFound")

#define FLOODER 1000u
#define OTHER 1001u
#define N_SLOTS 2100u
#define N_RANGES 2000u

/* Turns until an answer must be there: one accepts, one reads and answers, and which comes first
 * within a turn is the main loop's affair. */
#define TURNS_MAX 4u

/* Records that one step of an enumeration may find, and that all enumerations together may find in
 * one turn: those of 16 steps. */
#define STEP_RECORDS_MAX 32u
#define TURN_RECORDS_MAX (16u * STEP_RECORDS_MAX)

typedef struct Fixture {
        TableFixture table;
        TableWriter *writer;
        char *etc;
        char *socket;
        GMainContext *context;
        UserdbService *service;
        uint32_t records[N_RANGES]; /* of fill() */
        unsigned n_turns;           /* of the main loop, so far */
} Fixture;

static void write_etc(Fixture *fixture, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(fixture->etc, name, NULL);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void set_up(Fixture *fixture, gconstpointer data) {
        struct rlimit files = { .rlim_cur = 8192, .rlim_max = 8192 };

        if (geteuid() != 0)
                return;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
        table_fixture_set_up(&fixture->table, NULL);
        fixture->writer = table_fixture_open(&fixture->table, N_SLOTS);
        /* The writer's file is root's and nobody else may write it: a reader believes it. */
        fixture->etc = g_build_filename(fixture->table.folder, "etc", NULL);
        g_assert_cmpint(mkdir(fixture->etc, 0755), ==, 0);
        write_etc(fixture, "passwd", "alice:x:1500:1500::/:\n");
        write_etc(fixture, "subuid", "alice:200000:70000\n");
        fixture->socket = g_build_filename(fixture->table.folder, "socket", NULL);
        /* Peers of other UIDs connect. */
        g_assert_cmpint(chmod(fixture->table.folder, 0755), ==, 0);
        fixture->context = g_main_context_new();
        g_assert_cmpint(
                userdb_service_new(
                        &(UserdbServiceConfig){ .table_path = fixture->table.path,
                                                .etc = fixture->etc },
                        fixture->context, &fixture->service),
                ==, 0);
        g_assert_cmpint(
                varlink_server_listen_path(
                        userdb_service_server(fixture->service), fixture->socket, 0666),
                ==, 0);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
        g_autofree char *command = NULL;

        if (!fixture->service)
                return;
        userdb_service_free(fixture->service);
        g_main_context_unref(fixture->context);
        table_writer_free(fixture->writer);
        command = g_strdup_printf("rm -r '%s'", fixture->table.folder);
        g_assert_cmpint(system(command), ==, 0);
        g_free(fixture->table.folder);
        g_free(fixture->table.path);
        g_free(fixture->etc);
        g_free(fixture->socket);
}

static uint32_t lend(Fixture *fixture, const char *name, uint32_t size, uint32_t account) {
        static uint64_t last_inode = 4026531900u;
        uint32_t record = TABLE_NONE;

        g_assert_cmpint(
                table_writer_reserve(
                        fixture->writer,
                        &(TableRange){ .name = name,
                                       .owner_uid = account,
                                       .account_uid = account,
                                       .userns_inode = ++last_inode,
                                       .size = size },
                        NULL, NULL, &record),
                ==, 0);
        table_fixture_walk_to(fixture->writer, record, TABLE_STATE_ACTIVE);
        return record;
}

static uint32_t start_of(Fixture *fixture, uint32_t record) {
        return table_writer_record(fixture->writer, record)->start;
}

/* One turn of the main loop, whatever there is to do. */
static void turn(Fixture *fixture) {
        (void) g_main_context_iteration(fixture->context, FALSE);
        fixture->n_turns++;
}

/* The kernel notes who connects. */
static int connect_as(Fixture *fixture, uid_t uid) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        g_assert_cmpint(fd, >=, 0);
        strcpy(address.sun_path, fixture->socket);
        g_assert_cmpint(seteuid(uid), ==, 0);
        while (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
                g_assert_cmpint(errno, ==, EAGAIN); /* its backlog is full */
                g_assert_cmpint(seteuid(0), ==, 0);
                turn(fixture);
                g_assert_cmpint(seteuid(uid), ==, 0);
        }
        g_assert_cmpint(seteuid(0), ==, 0);
        return g_steal_fd(&fd);
}

static void say(int fd, const char *text) {
        size_t size = strlen(text) + 1;

        g_assert_cmpint(send(fd, text, size, MSG_NOSIGNAL), ==, (ssize_t) size);
}

/* Reads what there is; returns how many answers end in it, -1 at the end of the connection. */
static int count_answers(int fd) {
        char buffer[65536];
        int n = 0;

        for (;;) {
                ssize_t size = recv(fd, buffer, sizeof(buffer), 0);

                if (size < 0) {
                        g_assert_cmpint(errno, ==, EAGAIN);
                        return n;
                }
                if (size == 0)
                        return -1;
                for (ssize_t i = 0; i < size; i++)
                        n += buffer[i] == '\0';
        }
}

/* The next answer, which must be there after so many turns; NULL: the connection was closed. */
static char *expect_answer(Fixture *fixture, int fd, unsigned n_turns_max) {
        char buffer[65536];

        for (unsigned n = 0;; n++) {
                ssize_t size = recv(fd, buffer, sizeof(buffer), 0);

                if (size == 0 || (size < 0 && errno == ECONNRESET))
                        return NULL;
                if (size > 0) {
                        g_assert_cmpint(buffer[size - 1], ==, '\0');
                        return g_strdup(buffer);
                }
                g_assert_cmpint(errno, ==, EAGAIN);
                g_assert_cmpuint(n, <, n_turns_max);
                turn(fixture);
        }
}

static void expect(Fixture *fixture, int fd, const char *call, const char *answer) {
        g_autofree char *text = NULL;

        say(fd, call);
        text = expect_answer(fixture, fd, TURNS_MAX);
        g_assert_cmpstr(text, ==, answer);
}

/* The parameters of an enumeration that costs as much as one may: of as many texts as there may be,
 * each but the last as long as one may be. */
static char *dearest_call(const char *last) {
        g_autoptr(GString) texts = g_string_new(NULL);
        g_autofree char *text = g_strnfill(USER_FILTER_FUZZY_TEXT_MAX, 'X');

        for (unsigned i = 0; i + 1 < USER_FILTER_FUZZY_MAX; i++)
                g_string_append_printf(texts, "\"%s\",", text);
        return g_strdup_printf(
                CALL("GetUserRecord", "true", "\"fuzzyNames\":[%s\"%s\"],"), texts->str, last);
}

static void fill(Fixture *fixture) {
        for (unsigned i = 0; i < N_RANGES; i++) {
                g_autofree char *name = g_strdup_printf("1002-%u", i);

                fixture->records[i] = lend(fixture, name, 65536, 1002);
        }
}

/* Ask for the ID at `offset` of one of fill()'s ranges, and be told its name. */
static void ask_for_one(Fixture *fixture, int fd, unsigned range_index, uint32_t offset) {
        const TableRecord *range =
                table_writer_record(fixture->writer, fixture->records[range_index]);
        g_autofree char *call = g_strdup_printf(
                CALL("GetUserRecord", "false", "\"uid\":%u,"), range->start + offset);
        g_autofree char *name = g_strdup_printf("\"userName\":\"ns-%s-%u\"", range->name, offset);
        g_autofree char *text = NULL;

        say(fd, call);
        text = expect_answer(fixture, fd, TURNS_MAX);
        g_assert_nonnull(text);
        if (!strstr(text, name))
                g_error("%s is not in %s", name, text);
}

/* Read all there is for all of them; returns how many answers that is. */
static int count_all(const int *fds, size_t n_fds) {
        int n = 0;

        for (size_t i = 0; i < n_fds; i++) {
                int n_answers = count_answers(fds[i]);

                g_assert_cmpint(n_answers, >=, 0);
                n += n_answers;
        }
        return n;
}

/* A thousand connections of one UID enumerate, each as dearly as it can: a turn does a bounded part
 * of that for all of them, and others are answered within a few turns, by number and a whole list.
 */
static void test_flood(Fixture *fixture, gconstpointer data) {
        enum { N = 1000 };
        g_autofree char *call = dearest_call("NS-");
        int fds[N], n_flood = 0, n_other = 0;
        auto_fd other = -1;
        unsigned since;

        if (!unit_need_root())
                return;
        fill(fixture);
        for (unsigned i = 0; i < N; i++) {
                fds[i] = connect_as(fixture, FLOODER);
                say(fds[i], call);
        }
        while (varlink_server_n_connections(userdb_service_server(fixture->service)) < N)
                turn(fixture);
        other = connect_as(fixture, OTHER);
        ask_for_one(fixture, other, 7, 7);

        (void) count_all(fds, N);
        since = fixture->n_turns;
        for (unsigned i = 0; i < 200; i++) {
                turn(fixture);
                if (i % 20 == 0)
                        ask_for_one(fixture, other, 9, 1);
                n_flood += count_all(fds, N);
        }
        /* Over all turns, and not in one: what an earlier turn found for peers that did not read is
         * sent when they do, one step's worth for each at the most. */
        g_assert_cmpint(n_flood, >, 0);
        g_assert_cmpint(
                n_flood, <=, (fixture->n_turns - since) * TURN_RECORDS_MAX + N * STEP_RECORDS_MAX);

        /* A list for the other one, in its own time: every second step is its own, however many
         * wait. */
        say(other, CALL("GetUserRecord", "true", ""));
        for (unsigned n_turns = 0; n_other < (int) N_RANGES; n_turns++) {
                int n_answers;

                g_assert_cmpuint(n_turns, <, 2 * N_RANGES);
                turn(fixture);
                (void) count_all(fds, N);
                n_answers = count_answers(other);
                g_assert_cmpint(n_answers, >=, 0);
                n_other += n_answers;
        }
        for (unsigned i = 0; i < N; i++)
                (void) fd_close(fds[i]);
}

/* An enumeration that finds nothing is as bounded as one that finds much: to read all of the table
 * takes it several turns, in which others are answered. */
static void test_nothing_found(Fixture *fixture, gconstpointer data) {
        g_autofree char *call = dearest_call("QQ"), *answer = NULL;
        auto_fd fd = -1;
        auto_fd other = -1;
        unsigned n_turns = 0;
        char byte;

        if (!unit_need_root())
                return;
        fill(fixture);
        fd = connect_as(fixture, FLOODER);
        other = connect_as(fixture, OTHER);
        ask_for_one(fixture, other, 3, 0);
        say(fd, call);
        for (; recv(fd, &byte, 1, MSG_PEEK) < 0; n_turns++) {
                g_assert_cmpint(errno, ==, EAGAIN);
                ask_for_one(fixture, other, 3, 0);
        }
        answer = expect_answer(fixture, fd, 0);
        g_assert_cmpstr(answer, ==, NO_RECORD);
        /* 2,000 records at 257, 8,192 a step, 16 steps a turn: 4 turns at least, and TURNS_MAX for
         * each answer to the other at the most */
        g_assert_cmpuint(n_turns, >=, 2);
}

/* A filter's texts are measured before anything else is done with them. */
static void test_long_texts(Fixture *fixture, gconstpointer data) {
        static const char refused[] =
                "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
                "\"%s\"}}";
        static const char *const fields[] = { "fuzzyNames", "dispositionMask" };
        g_autofree char *text = g_strnfill(60000, 'X');

        if (!unit_need_root())
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
                g_autofree char *answer = g_strdup_printf(refused, fields[i]);
                g_autofree char *call = g_strdup_printf(
                        CALL("GetUserRecord", "true", "\"%s\":[\"%s\"],"), fields[i], text);
                auto_fd fd = connect_as(fixture, OTHER);

                expect(fixture, fd, call, answer);
        }
}

/* Connect as each UID in turn until one is refused; returns how many were not.  `fds` has room for
 * 1024 and one more. */
static unsigned connect_until_refused(
        Fixture *fixture, const uid_t *uids, size_t n_uids, int *fds) {
        for (unsigned n = 0;; n++) {
                g_autofree char *answer = NULL;

                g_assert_cmpuint(n, <=, 1024);
                fds[n] = connect_as(fixture, uids[n % n_uids]);
                say(fds[n], CALL("GetUserRecord", "false", "\"uid\":5,"));
                answer = expect_answer(fixture, fds[n], TURNS_MAX);
                if (!answer) {
                        (void) fd_close(fds[n]);
                        return n;
                }
                g_assert_cmpstr(answer, ==, NO_RECORD);
        }
}

/* Where programs ask our module, lists have our ranges already; look-ups are answered all the same.
 */
static void test_module_lists(Fixture *fixture, gconstpointer data) {
        static const struct {
                const char *nsswitch;
                bool users, groups; /* are listed here */
        } cases[] = {
                { "passwd: files systemd\ngroup: files systemd\n", true, true },
                { "passwd: files nsresource systemd\ngroup: files nsresource systemd\n", false,
                  false },
                { "passwd: files systemd nsresource\ngroup: files systemd\n", false, true },
                { "group: files nsresource\n", true, false },
        };
        auto_fd fd = -1;

        if (!unit_need_root())
                return;
        fixture->records[0] = lend(fixture, "1002-only", 65536, 1002);
        fd = connect_as(fixture, OTHER);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *users = NULL, *groups = NULL;

                write_etc(fixture, "nsswitch.conf", cases[i].nsswitch);
                say(fd, CALL("GetUserRecord", "true", ""));
                users = expect_answer(fixture, fd, TURNS_MAX);
                say(fd, CALL("GetGroupRecord", "true", ""));
                groups = expect_answer(fixture, fd, TURNS_MAX);
                if (cases[i].users)
                        g_assert_nonnull(strstr(users, "\"ns-1002-only-0\""));
                else
                        g_assert_cmpstr(users, ==, NO_RECORD);
                if (cases[i].groups)
                        g_assert_nonnull(strstr(groups, "\"ns-1002-only-0\""));
                else
                        g_assert_cmpstr(groups, ==, NO_RECORD);
                ask_for_one(fixture, fd, 0, 65535);
        }
}

/* Many UIDs of one owner are one account: those of ranges, of single IDs, of ranges whose namespace
 * has ended, of a subuid block; and others are served meanwhile. */
static void test_accounts(Fixture *fixture, gconstpointer data) {
        uint32_t one, two, single, ended;
        int fds[1025];

        if (!unit_need_root())
                return;
        one = lend(fixture, "1000-one", 65536, FLOODER);
        two = lend(fixture, "1000-two", 131072, FLOODER);
        single = lend(fixture, "1000-single", 1, FLOODER);
        ended = lend(fixture, "1000-ended", 65536, FLOODER);
        table_fixture_walk_to(fixture->writer, ended, TABLE_STATE_RELEASING);
        {
                const uid_t lent[] = {
                        FLOODER,
                        start_of(fixture, one),
                        start_of(fixture, one) + 1,
                        start_of(fixture, one) + 65535,
                        start_of(fixture, two) + 131071,
                        start_of(fixture, single),
                        start_of(fixture, ended) + 5,
                };
                const uid_t subordinate[] = { 1500, 200000, 265536, 269999 };
                const uid_t others[] = { OTHER, 0, 1500, start_of(fixture, two) + 131072, 270000 };
                unsigned n;

                n = connect_until_refused(fixture, lent, G_N_ELEMENTS(lent), fds);
                g_assert_cmpuint(n, ==, 1024);
                for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                        auto_fd fd = connect_as(fixture, others[i]);

                        expect(fixture, fd, CALL("GetUserRecord", "false", "\"uid\":5,"),
                               NO_RECORD);
                }
                for (size_t i = 0; i < G_N_ELEMENTS(lent); i++) {
                        auto_fd fd = connect_as(fixture, lent[i]);

                        g_assert_null(expect_answer(fixture, fd, TURNS_MAX));
                }
                while (n > 0)
                        (void) fd_close(fds[--n]);
                for (unsigned i = 0; i < 200; i++)
                        turn(fixture);

                n = connect_until_refused(fixture, subordinate, G_N_ELEMENTS(subordinate), fds);
                g_assert_cmpuint(n, ==, 1024);
                while (n > 0)
                        (void) fd_close(fds[--n]);
        }
}

/* What waits for peers that do not read is bounded, here and in the kernel; they get it all once
 * they do. */
static void test_unread(Fixture *fixture, gconstpointer data) {
        enum { N = 50, EACH_MAX = 48 * 1024 };
        static char buffer[1024 * 1024];
        size_t n_before, n_after;
        int fds[N], n_answers;
        ssize_t size;

        if (!unit_need_root())
                return;
        fill(fixture);
        for (unsigned i = 0; i < N; i++)
                fds[i] = connect_as(fixture, FLOODER);
        while (g_main_context_iteration(fixture->context, FALSE))
                ;
        n_before = mallinfo2().uordblks;
        for (unsigned i = 0; i < N; i++)
                say(fds[i], CALL("GetUserRecord", "true", ""));
        while (g_main_context_iteration(fixture->context, FALSE))
                ;
        n_after = mallinfo2().uordblks;
        g_assert_cmpuint(n_after, <, n_before + N * EACH_MAX);

        size = recv(fds[0], buffer, sizeof(buffer), 0);
        g_assert_cmpint(size, >, 0);
        g_assert_cmpint(size, <, EACH_MAX);
        n_answers = 0;
        for (ssize_t i = 0; i < size; i++)
                n_answers += buffer[i] == '\0';
        while (n_answers < (int) N_RANGES) {
                int n;

                g_assert_true(g_main_context_iteration(fixture->context, FALSE));
                n = count_answers(fds[0]);
                g_assert_cmpint(n, >=, 0);
                n_answers += n;
        }
        for (unsigned i = 0; i < N; i++)
                (void) fd_close(fds[i]);
}

/* Who asks for everything and goes, at any moment, leaves nothing behind; nor does a service that
 * ends in the middle of it. */
static void test_gone(Fixture *fixture, gconstpointer data) {
        g_autofree char *call = dearest_call("NS-");
        unsigned n_fds;

        if (!unit_need_root())
                return;
        fill(fixture);
        n_fds = unit_count_fds();
        for (unsigned n_turns = 0; n_turns < 40; n_turns++) {
                int fd = connect_as(fixture, FLOODER);

                say(fd, call);
                for (unsigned i = 0; i < n_turns; i++)
                        turn(fixture);
                (void) fd_close(fd);
        }
        while (varlink_server_n_connections(userdb_service_server(fixture->service)) > 0)
                turn(fixture);
        /* the table's own mapping has no descriptor */
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);

        for (unsigned i = 0; i < 20; i++) {
                int fd = connect_as(fixture, FLOODER);

                say(fd, call);
                for (unsigned k = 0; k < 3; k++)
                        turn(fixture);
                /* left open: the service goes first */
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
        ADD("/userdb-service/flood", test_flood);
        ADD("/userdb-service/nothing-found", test_nothing_found);
        ADD("/userdb-service/long-texts", test_long_texts);
        ADD("/userdb-service/accounts", test_accounts);
        ADD("/userdb-service/module-lists", test_module_lists);
        ADD("/userdb-service/unread", test_unread);
        ADD("/userdb-service/gone", test_gone);
        return g_test_run();
}
