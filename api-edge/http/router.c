/* router.c - the tree of path segments.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/router.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 12

typedef struct node {
    char        *text; /* the literal segment */
    uint32_t     len;
    const void  *targets[EDGE_METHODS];
    bool         served; /* some target is set */
    struct node *children, *next, *parameter;
} node;

struct edge_router {
    node root;
};

static const char *const method_names[EDGE_METHODS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

bool
edge_method_parse(const char *text, edge_method *out)
{
    if (strcmp(text, "HEAD") == 0)
        text = "GET";
    for (int i = 0; i < EDGE_METHODS; i++)
        if (strcmp(text, method_names[i]) == 0) {
            *out = (edge_method)i;
            return true;
        }
    return false;
}

const char *
edge_method_name(edge_method method)
{
    return method_names[method];
}

edge_router *
edge_router_create(void)
{
    edge_router *router = calloc(1, sizeof(*router));

    if (router == NULL)
        abort();
    return router;
}

static void
free_below(node *n)
{
    while (n->children != NULL) {
        node *child = n->children;

        n->children = child->next;
        free_below(child);
        free(child->text);
        free(child);
    }
    if (n->parameter != NULL) {
        free_below(n->parameter);
        free(n->parameter);
    }
}

void
edge_router_destroy(edge_router *router)
{
    if (router == NULL)
        return;
    free_below(&router->root);
    free(router);
}

static node *
literal_child(const node *n, const char *text, uint32_t len)
{
    for (node *child = n->children; child != NULL; child = child->next)
        if (child->len == len && memcmp(child->text, text, len) == 0)
            return child;
    return NULL;
}

static node *
new_node(const char *text, uint32_t len)
{
    node *n = calloc(1, sizeof(*n));

    if (n == NULL || (text != NULL && (n->text = strndup(text, len)) == NULL))
        abort();
    n->len = len;
    return n;
}

/* The child for one segment of a template, made if need be. */
static node *
grow(node *n, const char *text, uint32_t len)
{
    node *child;

    if (text[0] == '{') {
        if (n->parameter == NULL)
            n->parameter = new_node(NULL, 0);
        return n->parameter;
    }
    child = literal_child(n, text, len);
    if (child == NULL) {
        child = new_node(text, len);
        child->next = n->children;
        n->children = child;
    }
    return child;
}

bus_code
edge_router_add(edge_router *router, edge_method method, const char *path, const void *target,
                bus_error *err)
{
    node       *n = &router->root;
    const char *at = path;
    int         segments = 0, parameters = 0;

    BUS_INVARIANT(target != NULL);
    while (*at == '/') {
        size_t len = strcspn(++at, "/");

        if (len == 0 || ++segments > SEGMENTS_MAX || (*at == '{') != (at[len - 1] == '}'))
            return bus_fail(err, BUS_INVALID, "the route %s is not a path of ours", path);
        if (*at == '{' && ++parameters > 1)
            return bus_fail(err, BUS_INVALID, "the route %s has more than one parameter", path);
        n = grow(n, at, (uint32_t)len);
        at += len;
    }
    if (segments == 0 || *at != '\0')
        return bus_fail(err, BUS_INVALID, "the route %s is not a path of ours", path);
    if (n->targets[method] != NULL)
        return bus_fail(err, BUS_CONFLICT, "the route %s %s is declared twice",
                        edge_method_name(method), path);
    n->targets[method] = target;
    n->served = true;
    return BUS_OK;
}

/* at: "" or "/segment...". Depth is bounded by the tree's. */
static const node *
find_below(const node *n, const char *at, bus_str *parameter)
{
    const node *found;
    node       *child;
    size_t      len;

    if (*at == '\0')
        return n->served ? n : NULL;
    if (*at != '/')
        return NULL;
    len = strcspn(++at, "/");
    if (len == 0)
        return NULL;
    child = literal_child(n, at, (uint32_t)len);
    if (child != NULL && (found = find_below(child, at + len, parameter)) != NULL)
        return found;
    if (n->parameter == NULL || (found = find_below(n->parameter, at + len, parameter)) == NULL)
        return NULL;
    *parameter = (bus_str){at, (uint32_t)len};
    return found;
}

bool
edge_router_find(const edge_router *router, const char *path, edge_match *out)
{
    const node *found;

    *out = (edge_match){.targets = NULL};
    found = find_below(&router->root, path, &out->parameter);
    if (found == NULL)
        return false;
    out->targets = found->targets;
    return true;
}
