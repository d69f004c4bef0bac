/* documents.c - OpenAPI, AsyncAPI, message schemas, and their viewer, from disk.
 * Nothing is fetched from other hosts; the content security policy sees to it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/admin/admin.h"
#include "api-edge/http/problem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (INT64_C(64) * 1024 * 1024)

const char *
edge_file_type(bus_str name)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".json", "application/json"},       {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
        {".map", "application/json"},        {".png", "image/png"},
        {".svg", "image/svg+xml"},           {".ico", "image/x-icon"},
    };

    if (name.len == 0 || name.len > 128 || name.at[0] == '.')
        return NULL;
    for (uint32_t i = 0; i < name.len; i++) {
        char c = name.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return NULL;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        uint32_t len = (uint32_t)strlen(types[i].suffix);

        if (name.len > len && memcmp(name.at + name.len - len, types[i].suffix, len) == 0)
            return types[i].type;
    }
    return NULL;
}

/* Serves folder/[below/]name, or 404. */
static void
serve(edge_request *r, int folder, const char *below, bus_str name, const char *policy)
{
    const char *type = edge_file_type(name);
    char        path[192];
    struct stat info;
    int         fd = -1;

    if (type != NULL && folder >= 0) {
        (void)snprintf(path, sizeof(path), "%s%.*s", below, BUS_STR_ARG(name));
        fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    }
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size > FILE_BYTES_MAX || info.st_size == 0) {
        if (fd >= 0)
            (void)close(fd);
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return;
    }
    edge_answer(r, &(edge_reply){.status = 200,
                                 .content_type = type,
                                 .fd = fd,
                                 .fd_bytes = (uint64_t)info.st_size,
                                 .policy = policy,
                                 .cache = "no-cache"});
}

void
edge_openapi_handle(edge_request *r)
{
    serve(r, r->loop->e->documents_fd, "", BUS_STR("openapi.json"), NULL);
}

void
edge_asyncapi_handle(edge_request *r)
{
    serve(r, r->loop->e->documents_fd, "", BUS_STR("asyncapi.json"), NULL);
}

void
edge_schema_handle(edge_request *r)
{
    serve(r, r->loop->e->documents_fd, "schemas/", r->parameter, NULL);
}

/* --- the viewer ---------------------------------------------------------- */

static const char policy[] = "default-src 'none'; script-src 'self'; "
                             "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
                             "font-src 'self'; connect-src 'self'; base-uri 'none'; "
                             "form-action 'none'; frame-ancestors 'none'";

static const char index_html[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<title>shina API</title>\n"
    "<link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\">\n"
    "<link rel=\"icon\" href=\"/docs/favicon-32x32.png\">\n</head>\n<body>\n"
    "<div id=\"viewer\"></div>\n<script src=\"/docs/swagger-ui-bundle.js\"></script>\n"
    "<script src=\"/docs/shina.js\"></script>\n</body>\n</html>\n";

static const char start_js[] =
    "SwaggerUIBundle({ url: \"/openapi.json\", dom_id: \"#viewer\", deepLinking: true,\n"
    "                  validatorUrl: null, persistAuthorization: false });\n";

void
edge_docs_handle(edge_request *r)
{
    edge_answer(r, &(edge_reply){.status = 200,
                                 .content_type = "text/html; charset=utf-8",
                                 .body = BUS_STR(index_html),
                                 .policy = policy,
                                 .cache = "no-cache"});
}

void
edge_docs_file_handle(edge_request *r)
{
    if (bus_str_is(r->parameter, "shina.js"))
        edge_answer(r, &(edge_reply){.status = 200,
                                     .content_type = "text/javascript; charset=utf-8",
                                     .body = BUS_STR(start_js),
                                     .policy = policy,
                                     .cache = "no-cache"});
    else
        serve(r, r->loop->e->viewer_fd, "", r->parameter, policy);
}
