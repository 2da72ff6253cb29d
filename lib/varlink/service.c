/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/service.h"

#include "lib/interfaces/interfaces.h"

typedef struct DescriptionParameters {
        const char *interface;
} DescriptionParameters;

static void get_info(VarlinkCall *call, const void *parameters, void *userdata) {
        const VarlinkServiceInfo *info = userdata;
        g_autoptr(json_t) names = json_array();

        for (guint i = 0; i < info->names->len; i++)
                (void) json_array_append_new(names, json_string(g_ptr_array_index(info->names, i)));
        varlink_call_reply(
                call, json_pack(
                              "{s:s, s:s, s:s, s:s, s:O}", "vendor", info->vendor, "product",
                              info->product, "version", info->version, "url", info->url,
                              "interfaces", names));
}

static void get_interface_description(VarlinkCall *call, const void *parameters, void *userdata) {
        const DescriptionParameters *description = parameters;
        const VarlinkServiceInfo *info = userdata;
        const char *text = g_hash_table_lookup(info->by_name, description->interface);

        if (text)
                varlink_call_reply(call, json_pack("{s:s}", "description", text));
        else
                varlink_call_error(
                        call, VARLINK_ERROR_INTERFACE_NOT_FOUND,
                        json_pack("{s:s}", "interface", description->interface));
}

static const VarlinkField description_fields[] = {
        { .name = "interface",
          .type = VARLINK_FIELD_STRING,
          .offset = offsetof(DescriptionParameters, interface),
          .present_offset = VARLINK_FIELD_REQUIRED },
};

const VarlinkMethod varlink_service_methods[] = {
        { .name = "org.varlink.service.GetInfo", .handle = get_info },
        { .name = "org.varlink.service.GetInterfaceDescription",
          .fields = description_fields,
          .n_fields = G_N_ELEMENTS(description_fields),
          .parameters_size = sizeof(DescriptionParameters),
          .handle = get_interface_description },
};
const size_t varlink_service_n_methods = G_N_ELEMENTS(varlink_service_methods);

const char *const varlink_service_texts[] = {
        interface_io_systemd,
        interface_org_varlink_service,
        NULL,
};
