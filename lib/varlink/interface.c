/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/interface.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/util/parse.h"

typedef enum TypeKind {
        TYPE_BOOL,
        TYPE_INT,
        TYPE_FLOAT,
        TYPE_STRING,
        TYPE_OBJECT,
        TYPE_ENUM,
        TYPE_STRUCT,
        TYPE_ARRAY,
        TYPE_MAP,
        TYPE_NAMED,
} TypeKind;

typedef struct Type Type;

typedef struct Field {
        char *name;
        Type *type; /* NULL for an enum's value */
} Field;

struct Type {
        TypeKind kind;
        bool nullable;
        GArray *fields;     /* of Field: TYPE_STRUCT, TYPE_ENUM */
        Type *element;      /* TYPE_ARRAY, TYPE_MAP */
        char *name;         /* TYPE_NAMED */
        const Type *target; /* TYPE_NAMED, borrowed from the interface */
};

struct VarlinkInterfaceMethod {
        Type *input;
        Type *output;
};

struct VarlinkInterface {
        char *name;
        GHashTable *types;   /* name -> Type */
        GHashTable *methods; /* name -> VarlinkInterfaceMethod */
        GHashTable *errors;  /* name -> Type */
};

typedef struct Parser {
        const char *position;
        unsigned line;
        unsigned depth;
        GPtrArray *named; /* every TYPE_NAMED, borrowed: resolved when the whole text is known */
} Parser;

static void type_free(Type *type) {
        if (!type)
                return;
        g_clear_pointer(&type->fields, g_array_unref);
        type_free(type->element);
        g_free(type->name);
        g_free(type);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Type, type_free)

static void field_clear(void *data) {
        Field *field = data;

        g_free(field->name);
        type_free(field->type);
}

static void method_free(void *data) {
        VarlinkInterfaceMethod *method = data;

        type_free(method->input);
        type_free(method->output);
        g_free(method);
}

static Type *type_new(TypeKind kind) {
        Type *type = g_new0(Type, 1);

        type->kind = kind;
        if (kind == TYPE_STRUCT || kind == TYPE_ENUM) {
                type->fields = g_array_new(FALSE, FALSE, sizeof(Field));
                g_array_set_clear_func(type->fields, field_clear);
        }
        return type;
}

/* tokens */

static void skip_space(Parser *parser) {
        for (;;) {
                if (*parser->position == '#')
                        parser->position += strcspn(parser->position, "\n");
                if (*parser->position == '\0' || !strchr(" \t\r\n", *parser->position))
                        return;
                if (*parser->position == '\n')
                        parser->line++;
                parser->position++;
        }
}

static bool take_token(Parser *parser, const char *token) {
        skip_space(parser);
        if (!g_str_has_prefix(parser->position, token))
                return false;
        parser->position += strlen(token);
        return true;
}

/* A word of letters, digits, '_' and what `more` holds, that begins with a letter. */
static char *take_word(Parser *parser, const char *more) {
        const char *start;

        skip_space(parser);
        start = parser->position;
        if (!g_ascii_isalpha(*start))
                return NULL;
        while (g_ascii_isalnum(*parser->position) || *parser->position == '_' ||
               (*parser->position && strchr(more, *parser->position)))
                parser->position++;
        return g_strndup(start, (size_t) (parser->position - start));
}

/* A keyword at the start of a member, followed by white space. */
static bool take_keyword(Parser *parser, const char *keyword) {
        size_t n = strlen(keyword);

        skip_space(parser);
        if (!g_str_has_prefix(parser->position, keyword) || !g_ascii_isspace(parser->position[n]))
                return false;
        parser->position += n;
        return true;
}

/* types */

static int parse_type(Parser *parser, Type **ret_type);

static bool has_field(const Type *type, const char *name) {
        for (guint i = 0; i < type->fields->len; i++)
                if (strcmp(g_array_index(type->fields, Field, i).name, name) == 0)
                        return true;
        return false;
}

/* What follows a field's name: a type in a struct, nothing in an enum.  The first field decides
 * which of both it is. */
static int parse_field_type(Parser *parser, Type *type, Type **ret_type) {
        bool typed = take_token(parser, ":");

        if (type->fields->len == 0)
                type->kind = typed ? TYPE_STRUCT : TYPE_ENUM;
        if (typed != (type->kind == TYPE_STRUCT))
                return -EINVAL;
        if (!typed) {
                *ret_type = NULL;
                return 0;
        }
        return parse_type(parser, ret_type);
}

/* "(name: type, ...)" or "(name, ...)"; "()" is a struct without fields. */
static int parse_fields(Parser *parser, Type **ret_type) {
        g_autoptr(Type) type = type_new(TYPE_STRUCT);

        if (!take_token(parser, "("))
                return -EINVAL;
        if (take_token(parser, ")")) {
                *ret_type = g_steal_pointer(&type);
                return 0;
        }
        do {
                g_autofree char *name = take_word(parser, "");
                g_autoptr(Type) field_type = NULL;
                Field field;
                int r;

                if (!name || has_field(type, name))
                        return -EINVAL;
                r = parse_field_type(parser, type, &field_type);
                if (r < 0)
                        return r;
                field = (Field){ .name = g_steal_pointer(&name),
                                 .type = g_steal_pointer(&field_type) };
                g_array_append_val(type->fields, field);
        } while (take_token(parser, ","));
        if (!take_token(parser, ")"))
                return -EINVAL;
        *ret_type = g_steal_pointer(&type);
        return 0;
}

static int parse_struct(Parser *parser, Type **ret_type) {
        g_autoptr(Type) type = NULL;
        int r;

        r = parse_fields(parser, &type);
        if (r < 0)
                return r;
        if (type->kind != TYPE_STRUCT)
                return -EINVAL;
        *ret_type = g_steal_pointer(&type);
        return 0;
}

static int parse_named(Parser *parser, Type **ret_type) {
        static const struct {
                const char *name;
                TypeKind kind;
        } basic[] = {
                { .name = "bool", .kind = TYPE_BOOL },
                { .name = "int", .kind = TYPE_INT },
                { .name = "float", .kind = TYPE_FLOAT },
                { .name = "string", .kind = TYPE_STRING },
                { .name = "object", .kind = TYPE_OBJECT },
        };
        g_autofree char *name = take_word(parser, "");
        g_autoptr(Type) type = NULL;

        if (!name)
                return -EINVAL;
        for (size_t i = 0; i < G_N_ELEMENTS(basic); i++)
                if (strcmp(basic[i].name, name) == 0) {
                        *ret_type = type_new(basic[i].kind);
                        return 0;
                }
        if (!g_ascii_isupper(name[0]))
                return -EINVAL;
        type = type_new(TYPE_NAMED);
        type->name = g_steal_pointer(&name);
        g_ptr_array_add(parser->named, type);
        *ret_type = g_steal_pointer(&type);
        return 0;
}

static int parse_container(Parser *parser, TypeKind kind, Type **ret_type) {
        g_autoptr(Type) type = type_new(kind);
        int r;

        r = parse_type(parser, &type->element);
        if (r < 0)
                return r;
        *ret_type = g_steal_pointer(&type);
        return 0;
}

static int parse_type_inner(Parser *parser, Type **ret_type) {
        bool nullable = take_token(parser, "?");
        int r;

        if (take_token(parser, "[]"))
                r = parse_container(parser, TYPE_ARRAY, ret_type);
        else if (take_token(parser, "[string]"))
                r = parse_container(parser, TYPE_MAP, ret_type);
        else if (*parser->position == '(')
                r = parse_fields(parser, ret_type);
        else
                r = parse_named(parser, ret_type);
        if (r < 0)
                return r;
        (*ret_type)->nullable = nullable;
        return 0;
}

static int parse_type(Parser *parser, Type **ret_type) {
        int r;

        if (parser->depth >= VARLINK_INTERFACE_DEPTH_MAX)
                return -EINVAL;
        parser->depth++;
        r = parse_type_inner(parser, ret_type);
        parser->depth--;
        return r;
}

/* members */

static int add_member(
        VarlinkInterface *interface, GHashTable *table, char *take_name, void *take_value) {
        bool taken = g_hash_table_contains(interface->types, take_name) ||
                     g_hash_table_contains(interface->methods, take_name) ||
                     g_hash_table_contains(interface->errors, take_name);

        /* A name that is there already is replaced, which frees what stood there, and refused. */
        (void) g_hash_table_replace(table, take_name, take_value);
        return taken ? -EINVAL : 0;
}

static int parse_method(Parser *parser, VarlinkInterfaceMethod *method) {
        int r;

        r = parse_struct(parser, &method->input);
        if (r < 0)
                return r;
        if (!take_token(parser, "->"))
                return -EINVAL;
        return parse_struct(parser, &method->output);
}

static int parse_member(Parser *parser, VarlinkInterface *interface) {
        bool is_type = take_keyword(parser, "type");
        bool is_method = !is_type && take_keyword(parser, "method");
        bool is_error = !is_type && !is_method && take_keyword(parser, "error");
        g_autofree char *name = NULL;
        g_autoptr(Type) type = NULL;
        int r;

        if (!is_type && !is_method && !is_error)
                return -EINVAL;
        name = take_word(parser, "");
        if (!name || !g_ascii_isupper(name[0]))
                return -EINVAL;
        if (is_method) {
                VarlinkInterfaceMethod *method = g_new0(VarlinkInterfaceMethod, 1);

                r = parse_method(parser, method);
                return add_member(interface, interface->methods, g_steal_pointer(&name), method) < 0
                               ? -EINVAL
                               : r;
        }
        r = is_type ? parse_fields(parser, &type) : parse_struct(parser, &type);
        if (r < 0)
                return r;
        return add_member(
                interface, is_type ? interface->types : interface->errors, g_steal_pointer(&name),
                g_steal_pointer(&type));
}

static int resolve_names(const Parser *parser, const VarlinkInterface *interface) {
        for (guint i = 0; i < parser->named->len; i++) {
                Type *type = g_ptr_array_index(parser->named, i);

                type->target = g_hash_table_lookup(interface->types, type->name);
                if (!type->target)
                        return -EINVAL;
        }
        return 0;
}

static int parse_interface(Parser *parser, VarlinkInterface *interface) {
        int r;

        if (!take_keyword(parser, "interface"))
                return -EINVAL;
        interface->name = take_word(parser, ".-");
        if (!interface->name || !strchr(interface->name, '.'))
                return -EINVAL;

        skip_space(parser);
        while (*parser->position) {
                r = parse_member(parser, interface);
                if (r < 0)
                        return r;
                skip_space(parser);
        }
        return resolve_names(parser, interface);
}

int varlink_interface_parse(
        const char *text, VarlinkInterface **ret_interface, unsigned *ret_line) {
        g_autoptr(VarlinkInterface) interface = g_new0(VarlinkInterface, 1);
        g_autoptr(GPtrArray) named = g_ptr_array_new();
        Parser parser = { .position = text, .line = 1, .named = named };
        int r;

        interface->types =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) type_free);
        interface->methods = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, method_free);
        interface->errors =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) type_free);
        r = parse_interface(&parser, interface);
        if (r < 0) {
                if (ret_line)
                        *ret_line = parser.line;
                return r;
        }
        *ret_interface = g_steal_pointer(&interface);
        return 0;
}

void varlink_interface_free(VarlinkInterface *interface) {
        if (!interface)
                return;
        g_clear_pointer(&interface->methods, g_hash_table_unref);
        g_clear_pointer(&interface->errors, g_hash_table_unref);
        g_clear_pointer(&interface->types, g_hash_table_unref);
        g_free(interface->name);
        g_free(interface);
}

const char *varlink_interface_name(const VarlinkInterface *interface) {
        return interface->name;
}

const VarlinkInterfaceMethod *varlink_interface_find_method(
        const VarlinkInterface *interface, const char *name) {
        return g_hash_table_lookup(interface->methods, name);
}

/* values */

static bool value_fits(const Type *type, const json_t *value, const char **ret_field);

bool varlink_integer_from_json(const json_t *value, json_int_t *ret_integer) {
        const char *text = json_string_value(value);
        bool negative = text && text[0] == '-';
        uint64_t magnitude;

        if (json_is_integer(value)) {
                *ret_integer = json_integer_value(value);
                return true;
        }
        if (json_is_real(value))
                return json_integer_from_real(json_real_value(value), ret_integer);
        if (!text || strlen(text) != json_string_length(value))
                return false;
        if (!parse_decimal(
                    text + negative, strlen(text + negative), (uint64_t) INT64_MAX + negative,
                    &magnitude))
                return false;
        *ret_integer = negative ? (json_int_t) (0 - magnitude) : (json_int_t) magnitude;
        return true;
}

/* Without NUL bytes, so that no reader sees less of it than another. */
static bool is_plain_string(const json_t *value) {
        return json_is_string(value) &&
               strlen(json_string_value(value)) == json_string_length(value);
}

/* What a field of type `object` holds is the method's own, but for NUL bytes in its strings. */
static bool is_plain(const json_t *value) {
        const char *key;
        const json_t *member;
        size_t i;

        if (json_is_string(value))
                return is_plain_string(value);
        json_object_foreach((json_t *) value, key, member) if (!is_plain(member)) return false;
        json_array_foreach(value, i, member) if (!is_plain(member)) return false;
        return true;
}

static bool struct_fits(const Type *type, const json_t *object, const char **ret_field) {
        const char *key;
        json_t *member;

        for (guint i = 0; i < type->fields->len; i++) {
                const Field *field = &g_array_index(type->fields, Field, i);
                const json_t *value = json_member(object, field->name);
                const char *wrong = field->name;

                if (!value && field->type->nullable)
                        continue;
                if (!value || !value_fits(field->type, value, &wrong)) {
                        *ret_field = wrong;
                        return false;
                }
        }
        json_object_foreach((json_t *) object, key, member) if (!has_field(type, key)) {
                *ret_field = key;
                return false;
        }
        return true;
}

static bool elements_fit(const Type *type, const json_t *value, const char **ret_field) {
        const char *key;
        const json_t *element;
        size_t i;

        if (!(type->kind == TYPE_ARRAY ? json_is_array(value) : json_is_object(value)))
                return false;
        json_array_foreach(
                value, i, element) if (!value_fits(type->element, element, ret_field)) return false;
        json_object_foreach(
                (json_t *) value, key,
                element) if (!value_fits(type->element, element, ret_field)) return false;
        return true;
}

/* *ret_field is set only if it is an inner field that does not fit. */
static bool value_fits(const Type *type, const json_t *value, const char **ret_field) {
        json_int_t integer;

        if (json_is_null(value))
                return type->nullable;
        switch (type->kind) {
        case TYPE_BOOL:
                return json_is_boolean(value);
        case TYPE_INT:
                return varlink_integer_from_json(value, &integer);
        case TYPE_FLOAT:
                return json_is_number(value);
        case TYPE_STRING:
                return is_plain_string(value);
        case TYPE_OBJECT:
                return json_is_object(value) && is_plain(value);
        case TYPE_ENUM:
                return is_plain_string(value) && has_field(type, json_string_value(value));
        case TYPE_STRUCT:
                return json_is_object(value) && struct_fits(type, value, ret_field);
        case TYPE_ARRAY:
        case TYPE_MAP:
                return elements_fit(type, value, ret_field);
        case TYPE_NAMED:
                return value_fits(type->target, value, ret_field);
        }
        g_assert_not_reached();
}

bool varlink_interface_method_accepts(
        const VarlinkInterfaceMethod *method, const json_t *parameters, const char **ret_field) {
        g_autoptr(json_t) none = parameters ? NULL : json_object();
        const char *field = NULL;

        if (struct_fits(method->input, parameters ? parameters : none, &field))
                return true;
        *ret_field = field;
        return false;
}
