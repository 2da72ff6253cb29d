/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/name-services.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdbool.h>

#include "lib/util/nss-services.h"

#define ENTRY_SIZE_MAX 65536u

typedef enum nss_status (*UserFunc)(uid_t, struct passwd *, char *, size_t, int *);
typedef enum nss_status (*GroupFunc)(gid_t, struct group *, char *, size_t, int *);

/* One module, for one database: the other function is NULL. */
typedef struct Service {
        char *name;
        UserFunc find_user;
        GroupFunc find_group;
} Service;

struct NameServices {
        GArray *services; /* of Service; the libraries stay until the process ends */
        char entry[ENTRY_SIZE_MAX];
};

static void service_clear(void *data) {
        g_free(((Service *) data)->name);
}

static void *find_function(const char *name, const char *function) {
        g_autofree char *library = g_strdup_printf("libnss_%s.so.2", name);
        g_autofree char *symbol = g_strdup_printf("_nss_%s_%s", name, function);
        void *handle = dlopen(library, RTLD_LAZY);

        return handle ? dlsym(handle, symbol) : NULL;
}

static bool is_asked(const char *name) {
        static const char *const left_out[] = { "files", "nsresource", NULL };

        return !g_strv_contains(left_out, name);
}

static int add_database(NameServices *services, const char *etc, const char *database, bool users) {
        g_auto(GStrv) names = NULL;
        int r = nss_services_read(etc, database, &names);

        if (r < 0)
                return r;
        for (char **name = names; *name; name++) {
                Service service = {};
                void *function;

                function = is_asked(*name)
                                   ? find_function(*name, users ? "getpwuid_r" : "getgrgid_r")
                                   : NULL;
                if (!function)
                        continue;
                service.name = g_strdup(*name);
                if (users)
                        service.find_user = (UserFunc) function;
                else
                        service.find_group = (GroupFunc) function;
                g_array_append_val(services->services, service);
        }
        return 0;
}

int name_services_open(const char *etc, NameServices **ret_services) {
        g_autoptr(NameServices) services = g_new(NameServices, 1);
        int r;

        services->services = g_array_new(FALSE, FALSE, sizeof(Service));
        g_array_set_clear_func(services->services, service_clear);
        r = add_database(services, etc, "passwd", true);
        if (r == 0)
                r = add_database(services, etc, "group", false);
        if (r < 0)
                return r;
        *ret_services = g_steal_pointer(&services);
        return 0;
}

void name_services_free(NameServices *services) {
        if (!services)
                return;
        g_array_unref(services->services);
        g_free(services);
}

static enum nss_status service_ask(
        NameServices *services, const Service *service, uint32_t id, const char **ret_name,
        int *ret_error) {
        enum nss_status status;

        if (service->find_user) {
                struct passwd user = {};

                status = service->find_user(
                        id, &user, services->entry, sizeof(services->entry), ret_error);
                *ret_name = user.pw_name;
        } else {
                struct group group = {};

                status = service->find_group(
                        id, &group, services->entry, sizeof(services->entry), ret_error);
                *ret_name = group.gr_name;
        }
        return status;
}

/* Whether a service that is not available has no server here: Fedora's nsswitch.conf names sss on
 * every host. */
static bool is_absent(int error) {
        return error == 0 || error == ENOENT || error == ESRCH;
}

static int service_find(
        NameServices *services, const Service *service, uint32_t id, const char **ret_name) {
        int error = 0;
        enum nss_status status = service_ask(services, service, id, ret_name, &error);

        if (status == NSS_STATUS_SUCCESS)
                return 0;
        *ret_name = "";
        if (status == NSS_STATUS_TRYAGAIN && error == ERANGE)
                return 0;
        if (status == NSS_STATUS_TRYAGAIN)
                return error > 0 ? -error : -EAGAIN;
        if (status == NSS_STATUS_UNAVAIL && !is_absent(error))
                return -error;
        return NAME_SERVICES_E_UNKNOWN;
}

int name_services_find(NameServices *services, uint32_t id, NameServicesAnswer *ret_answer) {
        int result = NAME_SERVICES_E_UNKNOWN;

        for (guint i = 0; i < services->services->len; i++) {
                const Service *service = &g_array_index(services->services, Service, i);
                NameServicesAnswer answer = { .service = service->name,
                                              .kind = service->find_user ? "user" : "group" };
                int r = service_find(services, service, id, &answer.name);

                if (r == NAME_SERVICES_E_UNKNOWN)
                        continue;
                *ret_answer = answer;
                result = r;
                /* Whoever knows it says more than whoever does not answer. */
                if (r == 0)
                        break;
        }
        return result;
}
