/* compiler_test.c - shina-contract as a user meets it: files in, messages and exit status out.
 *
 * Each case changes one place of a small contract that is right, and says what must be said of it.
 * JSON is written with ' for ".
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES 256
#define OUTPUT_BYTES 16384

extern char **environ;

static char folder[PATH_BYTES]; /* of the contracts of one case */
static char said[OUTPUT_BYTES]; /* by the last run, on both outputs */

/* --- files and runs ---------------------------------------------------------------------- */

static const char *
in_folder(const char *name)
{
    static char path[4][PATH_BYTES + 64];
    static int  next;

    next = (next + 1) % 4;
    assert_true(snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name) <
                (int)sizeof(path[next]));
    return path[next];
}

static void
write_text(const char *name, const char *content)
{
    FILE *f = fopen(in_folder(name), "w");

    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void
write_contract(const char *name, const json_t *json)
{
    assert_int_equal(json_dump_file(json, in_folder(name), 0), 0);
}

/* Runs the tool; its outputs go to said. Returns its exit status. */
static int
run(const char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    const char                *out = in_folder("said.txt");
    char                      *argv[16];
    pid_t                      pid;
    int                        status, count = 0, fd;
    ssize_t                    got;

    argv[count++] = strdup(SHINA_CONTRACT);
    for (; *arguments != NULL; arguments++) {
        assert_true(count < 15);
        argv[count++] = strdup(*arguments);
    }
    argv[count] = NULL;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    while (count > 0)
        free(argv[--count]);
    fd = open(out, O_RDONLY);
    assert_true(fd >= 0);
    got = read(fd, said, sizeof(said) - 1);
    assert_true(got >= 0);
    said[got] = '\0';
    assert_int_equal(close(fd), 0);
    assert_true(WIFEXITED(status)); /* whatever the input: no crash */
    return WEXITSTATUS(status);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static int
generate(void)
{
    return RUN("generate", "--schemas", folder, "--out", in_folder("out"));
}

static void
must_say(const char *text)
{
    if (strstr(said, text) == NULL)
        fail_msg("expected\n  %s\nin\n  %s", text, said);
}

/* --- the contract that is right ------------------------------------------------------------- */

static const char base_text[] =
    "{'module':'stock','description':{'en':'Stock.','ru':'Склад.'},"
    "'settings':{'type':'object','properties':{'low':{'type':'integer','default':5}}},"
    "'$defs':{'sku':{'type':'string','maxLength':20},"
    "'place':{'type':'object','required':['row'],'properties':{'row':{'type':'integer'}}}},"
    "'aggregates':{'item':{'commands':{"
    "'receive':{'description':'d','http':'POST /items','on':'new','roles':['ADMIN'],"
    "'refuses':['STOCK_FULL'],"
    "'schema':{'type':'object','additionalProperties':false,'required':['sku','quantity'],"
    "'properties':{'sku':{'$ref':'#/$defs/sku'},"
    "'quantity':{'type':'integer','minimum':1,'maximum':100},'x':{'type':'boolean'},"
    "'place':{'$ref':'#/$defs/place'}}},"
    "'examples':{'valid':[{'sku':'a','quantity':1}],'invalid':[{'sku':'a'}]}},"
    "'move':{'http':'POST /items/{id}/move','roles':['ADMIN','DRIVER:own'],"
    "'schema':{'type':'object','properties':{}}},"
    "'count':{'by':'wake'},'told':{'by':'answer'},"
    "'fix':{'by':'service','schema':{'type':'object','properties':{}}}},"
    "'events':{'received.v1':{'schema':{'type':'object','required':['quantity'],"
    "'properties':{'quantity':{'type':'integer'},'owner':{'type':'string','format':'uuid'},"
    "'name':{'type':'string','maxLength':9,'x-personal':{'subject':'/owner'}}}}}}}},"
    "'views':{'items':{'of':'item','http':{'list':'GET /items','item':'GET /items/{id}'},"
    "'roles':['ADMIN','VIEWER+finance.read','DRIVER:own'],'own':'owner','filters':['quantity'],"
    "'sorts':['quantity'],'default_sort':'-quantity',"
    "'joins':[{'view':'places','by':'owner','take':'row','as':'row'}],"
    "'schema':{'type':'object','properties':{'quantity':{'type':'integer'},"
    "'owner':{'type':'string','format':'uuid'},"
    "'list':{'type':'array','maxItems':3,'items':{'type':'integer'}}}}},"
    "'places':{'key':true,'follows':['stock.received.v1'],"
    "'schema':{'type':'object','properties':{'row':{'type':'integer'}}}}},"
    "'refusals':{'STOCK_FULL':{'status':409,'params':{'room':{'type':'integer'}},"
    "'en':'Room for {room}.','ru':'Места: {room}.'}},"
    "'follows':['stock.received.v1'],'sends':['stock.fix']}";

static json_t *
parse(const char *single_quoted)
{
    char        *copy = strdup(single_quoted);
    json_error_t error;
    json_t      *json;

    assert_non_null(copy);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    json = json_loads(copy, JSON_DECODE_ANY, &error);
    if (json == NULL)
        fail_msg("%s in %s", error.text, copy);
    free(copy);
    return json;
}

/* Puts value at the pointer, where all but the last name must be there; NULL: takes it away. */
static void
change(json_t *json, const char *pointer, json_t *value)
{
    for (;;) {
        char   name[128];
        size_t len = strcspn(++pointer, "/");

        assert_true(len < sizeof(name));
        memcpy(name, pointer, len);
        name[len] = '\0';
        pointer += len;
        if (*pointer == '\0' && json_is_array(json)) {
            assert_int_equal(json_array_append_new(json, value), 0);
            return;
        }
        if (*pointer == '\0') {
            assert_int_equal(value == NULL ? json_object_del(json, name)
                                           : json_object_set_new(json, name, value),
                             0);
            return;
        }
        json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
                                   : json_object_get(json, name);
        assert_non_null(json);
    }
}

/* The base, changed in one place; value NULL: that is taken away. */
static json_t *
base_with(const char *pointer, const char *value)
{
    json_t *json = parse(base_text);

    if (pointer != NULL)
        change(json, pointer, value == NULL ? NULL : parse(value));
    return json;
}

/* --- errors: one place wrong, its pointer and what is said
 * ---------------------------------------- */

#define RECEIVE "/aggregates/item/commands/receive"
#define MOVE "/aggregates/item/commands/move"
#define X RECEIVE "/schema/properties/x"
#define EVENT "/aggregates/item/events/received.v1"
#define VIEW "/views/items"

typedef struct {
    const char *pointer, *value; /* the change */
    const char *expected;        /* "pointer: message", after the file's name */
} wrong;

static const wrong wrongs[] = {
    /* the contract */
    {"/module", "'shop'", "/module: must be stock, as the file is named"},
    {"/module", NULL, "/: needs module"},
    {"/colour", "1", "/colour: keyword not supported"},
    {"/aggregates", "{}", "/: needs aggregates"},
    {"/description", "7", "/description: must be a string, or one for each of en and ru"},
    {"/description", "{'en':'x'}", "/description: needs ru"},
    {"/what_if", "{'type':'string','maxLength':3}", "/what_if: must be an object"},
    {"/what_if", "{'type':'object','required':['low'],'properties':{'low':{'type':'integer'}}}",
     "/what_if/properties/low: a rule may not be required"},
    {"/settings/properties/low", "{'type':'integer'}",
     "/settings/properties/low: a setting needs a default"},
    {"/aggregates/item/colour", "1", "/aggregates/item/colour: keyword not supported"},
    {"/aggregates/item/events", "{}", "/aggregates/item: needs commands and events"},
    {"/aggregates/Item", "{}", "/aggregates/Item: a name is lower case"},
    {"/follows", "['stock.sold.v1']", "/follows/0: there is no event stock.sold.v1"},
    {"/follows", "['nonsense']", "/follows/0: there is no event nonsense"},
    {"/follows", "['stock.received.v1','stock.received.v1']", "/follows/1: is there twice"},
    {"/sends", "['stock.sell']", "/sends/0: there is no command stock.sell"},
    {"/sends", "['stock.count']", "/sends/0: stock.count is a wake or an answer"},
    {"/sends", "7", "/sends: must be a list"},

    /* commands */
    {RECEIVE "/colour", "1", RECEIVE "/colour: keyword not supported"},
    {RECEIVE "/on", "'never'", RECEIVE "/on: must be existing, new or any"},
    {RECEIVE "/by", "'client'", RECEIVE "/by: must be service, wake or answer"},
    {RECEIVE "/by", "'service'", RECEIVE "/http: only a client's command has a route"},
    {RECEIVE "/http", "'GET /items'", RECEIVE "/http: must be POST, PUT, PATCH or DELETE"},
    {RECEIVE "/http", "'POST items'", RECEIVE "/http: a path starts with /"},
    {RECEIVE "/http", "'POST /Items'", RECEIVE "/http: a path is of lower case letters"},
    {RECEIVE "/http", "'POST /items//x'", RECEIVE "/http: an empty segment"},
    {RECEIVE "/http", "'POST /items/{id}'", RECEIVE "/http: {id} goes with on"},
    {MOVE "/http", "'POST /items/move'", MOVE "/http: {id} goes with on"},
    {MOVE "/http", "'POST /items'", MOVE "/http: {id} goes with on"},
    {MOVE "/http", "'POST /items/{id}/{id}'", MOVE "/http: a path starts with / and has {id}"},
    {RECEIVE "/roles", NULL, RECEIVE ": a route needs roles"},
    {RECEIVE "/roles", "['BOSS']", RECEIVE "/roles/0: is no role"},
    {RECEIVE "/roles", "['ADMIN','ADMIN:own']", RECEIVE "/roles/1: the role is there twice"},
    {RECEIVE "/roles", "['ADMIN:all']", RECEIVE "/roles/0: :all is not known here"},
    {RECEIVE "/roles", "['VIEWER+finance.read']",
     RECEIVE "/roles/0: +finance.read is not known here"},
    {RECEIVE "/schema", NULL, RECEIVE ": needs a schema"},
    {RECEIVE "/schema", "{'type':'integer'}", RECEIVE "/schema: must be an object"},
    {RECEIVE "/refuses", "['NO_SUCH']", RECEIVE "/refuses/0: there is no such refusal"},
    {"/aggregates/item/commands/count/schema", "{}",
     "/aggregates/item/commands/count/schema: a command by wake or answer has none"},
    {"/aggregates/item/commands/fix/roles", "['ADMIN']",
     "/aggregates/item/commands/fix/roles: only a client's command has roles"},
    {"/aggregates/item/commands/kind", "{'by':'wake'}",
     "/aggregates/item/commands/kind: kind is the name of the tag in C"},
    {"/aggregates/item/commands/Sell", "{'by':'wake'}",
     "/aggregates/item/commands/Sell: a name is lower case"},

    /* examples */
    {RECEIVE "/examples/valid", "[{'sku':'a','quantity':0}]",
     RECEIVE "/examples/valid/0/quantity: must be at least 1"},
    {RECEIVE "/examples/invalid", "[{'sku':'a','quantity':2}]",
     RECEIVE "/examples/invalid/0: is valid"},
    {RECEIVE "/examples/good", "[]", RECEIVE "/examples/good: keyword not supported"},
    {RECEIVE "/examples/valid", "{}", RECEIVE "/examples/valid: must be a list"},

    /* events */
    {EVENT "/http", "'GET /x'", EVENT "/http: keyword not supported"},
    {"/aggregates/item/events/sold", "{'schema':{'type':'object'}}",
     "/aggregates/item/events/sold: an event's name ends in .v1 or a later version"},
    {"/aggregates/item/events/sold.v0", "{'schema':{'type':'object'}}",
     "/aggregates/item/events/sold.v0: an event's name ends in .v1"},
    {"/aggregates/item/events/sold.v1x", "{'schema':{'type':'object'}}",
     "/aggregates/item/events/sold.v1x: an event's name ends in .v1"},

    /* shapes */
    {X "/foo", "1", X "/foo: keyword not supported"},
    {X, "7", X ": must be an object"},
    {X, "{}", X ": needs a type"},
    {X, "{'type':'float'}", X "/type: type float is not supported"},
    {X, "{'type':['string','integer']}", X "/type: must be one type"},
    {X, "{'type':'boolean','minimum':1}", X "/minimum: does not go with type boolean"},
    {X, "{'type':'boolean','title':7}", X "/title: must be a string"},
    {X, "{'type':'integer','maxLength':1}", X "/maxLength: does not go with type integer"},
    {X, "{'type':'integer','minimum':1.5}", X "/minimum: must be an integer"},
    {X, "{'type':'integer','minimum':2,'maximum':1}", X ": no integer is within the bounds"},
    {X, "{'type':'integer','exclusiveMinimum':1,'exclusiveMaximum':2}",
     X ": no integer is within the bounds"},
    {X, "{'type':'integer','multipleOf':0}", X "/multipleOf: must be above 0"},
    {X, "{'type':'integer','enum':[1]}", X "/enum: does not go with type integer"},
    {X, "{'type':'number','minimum':'a'}", X "/minimum: must be a number"},
    {X, "{'type':'number','minimum':2,'maximum':1}", X ": no number is within the bounds"},
    {X, "{'type':'number','multipleOf':-1}", X "/multipleOf: must be above 0"},
    {X, "{'type':'string'}", X ": a string needs maxLength"},
    {X, "{'type':'string','maxLength':-1}", X "/maxLength: must be 0 to"},
    {X, "{'type':'string','minLength':3,'maxLength':2}", X "/minLength: is above maxLength"},
    {X, "{'type':'string','maxLength':3,'minimum':1}", X "/minimum: does not go with type string"},
    {X, "{'type':'string','maxLength':3,'pattern':'[a-'}", X "/pattern: is no regular expression"},
    {X, "{'type':'string','format':'ipv4'}", X "/format: format ipv4 is not supported"},
    {X, "{'type':'string','x-format':'fax'}", X "/x-format: x-format fax is not supported"},
    {X, "{'type':'string','format':'email','x-format':'e164'}",
     X "/x-format: does not go with format"},
    {X, "{'type':'string','format':'uuid','maxLength':36}",
     X "/maxLength: does not go with this format"},
    {X, "{'type':'string','enum':[]}", X "/enum: must be a list"},
    {X, "{'type':'string','enum':['A',7]}", X "/enum/1: must be a string"},
    {X, "{'type':'string','enum':['']}", X "/enum/0: must be a string, not empty"},
    {X, "{'type':'string','enum':['A','a']}", X "/enum/1: A and a are one name in C"},
    {X, "{'type':'string','enum':['A-1','A_1']}", X "/enum/1: A-1 and A_1 are one name in C"},
    {X, "{'type':['string','null'],'enum':['A']}", X "/enum: type allows null, so null must"},
    {X, "{'type':'string','enum':['A'],'maxLength':1}", X "/maxLength: does not go with enum"},
    {X, "{'type':['string','null'],'const':'A'}", X "/const: cannot be null as well"},
    {X, "{'const':7}", X "/const: must be a string"},
    {X, "{'type':'array','items':{'type':'boolean'}}", X ": an array needs maxItems"},
    {X, "{'type':'array','maxItems':3}", X ": an array needs items"},
    {X, "{'type':'array','maxItems':1,'minItems':2,'items':{'type':'boolean'}}",
     X "/minItems: is above maxItems"},
    {X, "{'type':'array','maxItems':1,'uniqueItems':1,'items':{'type':'boolean'}}",
     X "/uniqueItems: must be true or false"},
    {X, "{'type':'array','maxItems':3,'items':{'type':['boolean','null']}}",
     X "/items: items cannot be null"},
    {X, "{'type':'array','maxItems':3,'items':{'type':'string'}}",
     X "/items: a string needs maxLength"},
    {X, "{'type':'object','properties':{'A':{'type':'boolean'}}}",
     X "/properties/A: a name is lower case"},
    {X, "{'type':'object','required':['a']}", X "/required/0: names no property"},
    {X, "{'type':'object','required':['a','a'],'properties':{'a':{'type':'boolean'}}}",
     X "/required/1: is there twice"},
    {X, "{'type':'object','additionalProperties':{}}",
     X "/additionalProperties: must be true or false"},
    {X, "{'type':'object','properties':{'a':{'type':'boolean'},'has_a':{'type':'boolean'}}}",
     X "/properties/has_a: is what C calls the presence of a"},
    {X, "{'type':'object','patternProperties':{}}", X "/patternProperties: keyword not supported"},
    {X, "{'oneOf':[{'type':'boolean'}]}", X ": needs x-discriminator"},
    {X, "{'oneOf':[],'x-discriminator':'t'}", X "/oneOf: must be a list"},
    {X, "{'oneOf':[{'type':'object'}],'x-discriminator':'t'}",
     X "/oneOf/0/properties/t: must be a const string"},
    {X, "{'oneOf':[{'type':'object','properties':{'t':{'const':'A'}}}],'x-discriminator':'t'}",
     X "/oneOf/0/required: must name t"},
    {X,
     "{'x-discriminator':'t','oneOf':[{'type':'object','required':['t'],"
     "'properties':{'t':{'const':'A'}}},{'type':'object','required':['t'],"
     "'properties':{'t':{'const':'A'}}}]}",
     X "/oneOf/1/properties/t/const: A and A are one name in C"},
    {X, "{'type':['object','null'],'oneOf':[{}],'x-discriminator':'t'}",
     X "/type: oneOf is of objects, and never null"},
    {X, "{'x-json':1}", X "/x-json: must be true"},
    {X, "{'x-json':true,'type':'object'}", X "/type: does not go with x-json"},
    {X, "{'$ref':'#/$defs/nothing'}", X "/$ref: "},
    {X, "{'$ref':'other.json#/$defs/sku'}", X "/$ref: only common.json can be referred to"},
    {X, "{'$ref':'common.json#/$defs/sku'}", X "/$ref: there is no common.json"},
    {X, "{'$ref':'#/elsewhere'}", X "/$ref: must be [common.json]#/$defs/<name>"},
    {X, "{'$ref':'#/$defs/sku','maxLength':3}", X "/maxLength: keyword not supported"},
    {"/$defs/round", "{'$ref':'#/$defs/round'}", "/$defs/round/$ref: refers to itself"},
    {"/$defs/unused", "{'type':'string','colour':1}",
     "/$defs/unused/colour: keyword not supported"},
    {X, "{'type':'integer','default':'a'}", X "/default: must be an integer"},
    {RECEIVE "/schema/properties/quantity/default", "1",
     RECEIVE "/schema/properties/quantity/default: a required member has no default"},
    {X, "{'type':'integer','maximum':3,'default':4}", X "/default: must be at most 3"},
    {X, "{'type':'boolean','x-masked':['BOSS']}", X "/x-masked/0: is no role"},
    {X, "{'type':'boolean','x-masked':[7]}", X "/x-masked/0: is no role"},
    {X, "{'type':'boolean','x-masked':['BOSS+finance.read']}", X "/x-masked/0: is no role"},
    {X, "{'type':'boolean','x-masked':['VIEWER+finance.write']}",
     X "/x-masked/0: +finance.write is not known here"},
    {X, "{'type':'boolean','x-masked':['DRIVER','VIEWER:own']}",
     X "/x-masked/1: :own is not known here"},
    {X, "{'type':'boolean','x-masked':['VIEWER','VIEWER+finance.read']}",
     X "/x-masked/1: the role is there twice"},
    {X, "{'type':'string','maxLength':256,'x-secret':false}",
     X "/x-secret: must be true or \"hash\""},
    {X, "{'type':'string','maxLength':256,'x-secret':'sum'}",
     X "/x-secret: must be true or \"hash\""},
    {X, "{'type':'boolean','x-secret':'hash'}", X "/x-secret: only a string that is not personal"},
    {X, "{'type':'boolean','x-secret':true}", X "/x-secret: only a string that is not personal"},
    {X, "{'type':'string','maxLength':256,'x-secret':true,'x-personal':true}",
     X "/x-secret: only a string that is not personal"},
    {X, "{'type':'string','maxLength':255,'x-secret':true}", X "/maxLength: a secret needs 256"},
    {X, "{'type':'object','properties':{'a':{'type':'string','maxLength':256,'x-secret':true}}}",
     "x-secret: stands on members of a command itself"},
    {X, "{'type':'boolean','x-masked':[]}", X "/x-masked: must be a list of roles"},
    {X, "{'type':'boolean','x-personal':7}", X "/x-personal: must be true or"},
    {X, "{'type':'boolean','x-personal':{'of':''}}", X "/x-personal/of: keyword not supported"},
    {X, "{'type':'boolean','x-personal':{'subject':'sku'}}",
     X "/x-personal/subject: must be a JSON pointer"},
    {X, "{'type':'string','maxLength':5,'x-personal':{'subject':'/sku'}}",
     X "/x-personal/subject: /sku leads to no uuid"},
    {X, "{'type':'boolean','x-personal':true}", X "/x-personal: only a string can be personal"},
    {X, "{'type':'string','format':'date','x-personal':true}",
     X "/x-personal: only a string can be personal"},
    {X, "{'$ref':'#/$defs/place','x-personal':true}",
     X "/x-personal: only a string can be personal"},
    {X, "{'type':'string','maxLength':5,'default':'a','x-personal':true}",
     X "/default: a personal member has no default"},
    {X, "{'type':'array','maxItems':2,'items':{'type':'string','maxLength':5,'x-personal':true}}",
     X "/items/x-personal: stands on members of objects"},
    {"/$defs/unused", "{'type':'string','maxLength':5,'x-personal':true}",
     "/$defs/unused/x-personal: stands on members of objects"},
    {"/refusals/STOCK_FULL/params/whose", "{'type':'string','maxLength':5,'x-personal':true}",
     "/whose/x-personal: a param of a refusal is never encrypted"},

    /* units */
    {RECEIVE "/schema/properties/mass_g", "{'type':'number'}",
     RECEIVE "/schema/properties/mass_g: the unit _g in the name asks for an integer"},
    {RECEIVE "/schema/properties/at_ml_100km", "{'type':'boolean'}", "the unit _ml_100km"},
    {RECEIVE "/schema/properties/done_at", "{'type':'string','format':'date-time'}",
     RECEIVE "/schema/properties/done_at: the unit _at"},
    {RECEIVE "/schema/properties/parts_kop",
     "{'type':'array','maxItems':2,'items':{'type':'number'}}", "the unit _kop"},

    /* refusals */
    {"/refusals/STOCK_FULL/status", "200", "/refusals/STOCK_FULL/status: must be 400 to 499"},
    {"/refusals/STOCK_FULL/status", "'409'", "/refusals/STOCK_FULL/status: must be an integer"},
    {"/refusals/STOCK_FULL/ru", NULL, "/refusals/STOCK_FULL: needs ru"},
    {"/refusals/STOCK_FULL/ru", "'{rooms}'", "/refusals/STOCK_FULL/ru: {rooms} is not among"},
    {"/refusals/STOCK_FULL/en", "'{room'", "/refusals/STOCK_FULL/en: { without }"},
    {"/refusals/STOCK_FULL/de", "''", "/refusals/STOCK_FULL/de: keyword not supported"},
    {"/refusals/STOCK_FULL/params", "['room']", "/refusals/STOCK_FULL/params: must be an object"},
    {"/refusals/STOCK_FULL/params/room", "{'x-json':true}",
     "/refusals/STOCK_FULL/params/room: must be a scalar"},
    {"/refusals/stock_empty", "{}", "/refusals/stock_empty: a code is capital letters"},
    {"/refusals/NOT_FOUND", "{'status':404,'en':'','ru':''}",
     "/refusals/NOT_FOUND: the name NOT_FOUND is taken by the kernel"},

    /* views */
    {VIEW "/colour", "1", VIEW "/colour: keyword not supported"},
    {VIEW "/of", "'box'", VIEW "/of: there is no aggregate box"},
    {VIEW "/key", "true", VIEW ": needs either of, or key: true"},
    {VIEW "/of", NULL, VIEW ": needs either of, or key: true"},
    {VIEW "/schema", NULL, VIEW ": needs a schema"},
    {VIEW "/schema/properties/id", "{'type':'boolean'}", VIEW "/schema: must be an object without"},
    {VIEW "/schema/properties/version", "{'type':'boolean'}", VIEW "/schema: must be an object"},
    {VIEW "/http/list", "'GET /items/{id}'", VIEW "/http/list: an item has {id}, a list has not"},
    {VIEW "/http/item", "'GET /items'", VIEW "/http/item: an item has {id}"},
    {VIEW "/http/list", "'POST /items'", VIEW "/http/list: must be GET /path"},
    {VIEW "/http/page", "'GET /page'", VIEW "/http/page: keyword not supported"},
    {VIEW "/roles", NULL, VIEW ": a route needs roles"},
    {VIEW "/roles", "['VIEWER+stock.read']", VIEW "/roles/0: +stock.read is not known here"},
    {VIEW "/own", NULL, VIEW ": a role with :own asks for own"},
    {VIEW "/own", "'driver_id'", VIEW "/own: driver_id is no member of the row"},
    {VIEW "/own", "'quantity'", VIEW "/own: quantity must be a uuid"},
    {VIEW "/own", "{'field':'owner','from':'owner'}", VIEW "/own/from: owner must be UTC"},
    {VIEW "/own", "{'field':'owner','to':'owner'}", VIEW "/own/to: keyword not supported"},
    {VIEW "/filters", "['colour']", VIEW "/filters/0: colour is no member of the row"},
    {VIEW "/filters", "['list']", VIEW "/filters/0: list is no scalar"},
    {VIEW "/filters", "['quantity','quantity']", VIEW "/filters/1: is there twice"},
    {VIEW "/folded", "['owner']", VIEW "/folded/0: owner is no filter"},
    {VIEW "/folded", "['quantity']", VIEW "/folded/0: quantity must be a string"},
    {VIEW "/sorts", "['colour']", VIEW "/sorts/0: colour is no member of the row"},
    {VIEW "/default_sort", "'-colour'", VIEW "/default_sort: colour is no member of the row"},
    {VIEW "/joins/0/view", "'shelves'", VIEW "/joins/0/view: there is no view shelves"},
    {VIEW "/joins/0/take", "'colour'", VIEW "/joins/0/take: places has no member colour"},
    {VIEW "/joins/0/as", "'quantity'", VIEW "/joins/0/as: is no name, or the row has"},
    {VIEW "/joins/0/by", "'quantity'", VIEW "/joins/0/by: quantity must be a uuid"},
    {VIEW "/joins/0/on", "'owner'", VIEW "/joins/0/on: keyword not supported"},
    {VIEW "/follows", "['stock.sold.v1']", VIEW "/follows/0: there is no event stock.sold.v1"},
    {"/views/places/follows", NULL, "/views/places: needs follows"},
    {"/views/Places", "{}", "/views/Places: a view's name is lower case"},

    /* names that C or HTTP would see twice */
    {MOVE "/http", "'PUT /items/{id}'", NULL}, /* another method is another route */
    {"/aggregates/box",
     "{'commands':{'receive':{'by':'wake'}},'events':{'opened.v1':{'schema':{'type':'object'}}}}",
     "the name stock.receive is taken by"},
    {"/aggregates/received",
     "{'commands':{'open':{'by':'wake'}},'events':{'opened.v1':{'schema':{'type':'object'}}}}",
     NULL}, /* a variable and a struct may share a name */
    {"/aggregates/item/commands/received", "{'by':'wake'}", "is taken by"},
    {"/aggregates/item/commands/receive_place",
     "{'by':'service','schema':{'type':'object','properties':{}}}", NULL},
    {"/aggregates/item/commands/put",
     "{'http':'POST /items/{id}/move','roles':['ADMIN'],'schema':{'type':'object'}}",
     "the name POST /items/{id}/move is taken by"},
    {"/views/places/http", "{'list':'GET /items'}", "/views/places: a route needs roles"},
};

static void
test_each_error_names_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        const wrong *w = &wrongs[i];
        json_t      *json = base_with(w->pointer, w->value);
        int          status;

        write_contract("stock.json", json);
        status = generate();
        json_decref(json);
        if (w->expected == NULL) {
            if (status != 0)
                fail_msg("%s = %s: %s", w->pointer, w->value, said);
            continue;
        }
        if (status == 0)
            fail_msg("%s = %s was taken", w->pointer, w->value);
        must_say("/stock.json: ");
        must_say(w->expected);
    }
}

static void
test_the_base_is_right(void **state)
{
    json_t *json = base_with(NULL, NULL);

    (void)state;
    write_contract("stock.json", json);
    json_decref(json);
    if (generate() != 0)
        fail_msg("%s", said);
    assert_string_equal(said, "");
}

/* --- analytics --------------------------------------------------------------------------- */

#define HOURS "/analytics/hours"
static const char hours_text[] =
    "{'hours':{'http':'GET /hours','roles':['ADMIN'],'key':['owner'],'window':{'size_s':3600,"
    "'every_s':600},'out_of_order_s':60,'grace_s':120,'idle_s':300,'filters':['owner'],"
    "'sorts':['count'],'follows':['stock.received.v1'],"
    "'memory':{'type':'object','properties':{'last':{'type':'integer'}}},"
    "'schema':{'type':'object','required':['count'],'properties':{'count':{'type':'integer'},"
    "'owner':{'type':'string','format':'uuid'},"
    "'list':{'type':'array','maxItems':3,'items':{'type':'integer'}}}}}}";

static const wrong wrong_analytics[] = {
    {"/analytics", "7", "/analytics: must be an object, by name"},
    {"/analytics/Hours", "{}", "/analytics/Hours: a name is lower case"},
    {"/analytics/a2345678901234567890123456789012345", "{}", "at most 33"},
    {HOURS "/colour", "1", HOURS "/colour: keyword not supported"},
    {HOURS "/window", NULL, HOURS ": needs a window"},
    {HOURS "/window/size_s", "'1h'", HOURS "/window/size_s: must be whole seconds, 1 to"},
    {HOURS "/window/size_s", "0", HOURS "/window/size_s: must be whole seconds, 1 to"},
    {HOURS "/window/every_s", "7200", HOURS "/window/every_s: must be whole seconds, 1 to 3600"},
    {HOURS "/window/every_s", "700", HOURS "/window/every_s: must go into size_s"},
    {HOURS "/window/hop_s", "60", HOURS "/window/hop_s: keyword not supported"},
    {HOURS "/out_of_order_s", NULL, HOURS "/out_of_order_s: must be whole seconds"},
    {HOURS "/grace_s", "-1", HOURS "/grace_s: must be whole seconds"},
    {HOURS "/idle_s", "0", HOURS "/idle_s: must be whole seconds, 1 to"},
    {HOURS "/emit", "'never'", HOURS "/emit: must be update or close"},
    {HOURS "/emit", "'close'", NULL},
    {HOURS "/window/every_s", NULL, NULL}, /* tumbling */
    {HOURS "/memory", NULL, NULL},
    {HOURS "/http", NULL, NULL},
    {HOURS "/key", "[]", NULL}, /* one window for all */
    {HOURS "/key", "['colour']", HOURS "/key/0: colour is no member of the row"},
    {HOURS "/key", "['owner','list']", HOURS "/key/1: list is no scalar"},
    {HOURS "/key", "['owner','owner']", HOURS "/key/1: is there twice"},
    {HOURS "/schema/properties/closed", "{'type':'boolean'}",
     HOURS "/schema/properties/closed: every window has such a member"},
    {HOURS "/schema/properties/name", "{'type':'string','maxLength':9,'x-personal':true}",
     HOURS ": an analytic holds no personal members"},
    {HOURS "/memory/properties/name", "{'type':'string','maxLength':9,'x-personal':true}",
     HOURS "/memory: an analytic holds no personal members"},
    {HOURS "/follows", NULL, HOURS ": needs follows"},
    {HOURS "/follows", "['stock.sold.v1']", HOURS "/follows/0: there is no event stock.sold.v1"},
    {HOURS "/filters", "['colour']", HOURS "/filters/0: colour is no member of the row"},
    {HOURS "/roles", NULL, HOURS ": a route needs roles"},
    {HOURS "/http", "'POST /hours'", HOURS "/http: must be GET /path"},
    {"/views/hours_late",
     "{'key':true,'follows':['stock.received.v1'],'schema':{'type':'object',"
     "'properties':{'n':{'type':'integer'}}}}",
     "is taken by"},
};

static void
test_each_error_of_an_analytic_names_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong_analytics) / sizeof(wrong_analytics[0]); i++) {
        const wrong *w = &wrong_analytics[i];
        json_t      *json = base_with("/analytics", hours_text);
        int          status;

        change(json, w->pointer, w->value == NULL ? NULL : parse(w->value));
        write_contract("stock.json", json);
        json_decref(json);
        status = generate();
        if (w->expected == NULL && status != 0)
            fail_msg("%s = %s: %s", w->pointer, w->value, said);
        if (w->expected != NULL && status == 0)
            fail_msg("%s = %s was taken", w->pointer, w->value);
        if (w->expected != NULL)
            must_say(w->expected);
    }
}

/* Is there such a line in the contract that was generated last? */
static bool
generated(const char *text)
{
    FILE *f = fopen(in_folder("out/stock.c"), "r");
    char  line[4096];
    bool  found = false;

    assert_non_null(f);
    while (!found && fgets(line, sizeof(line), f) != NULL)
        found = strstr(line, text) != NULL;
    assert_int_equal(fclose(f), 0);
    return found;
}

/* What a definition masks is masked wherever it is referred to, but where the member says for
 * whom. */
static void
test_masks_of_definitions(void **state)
{
    json_t *json =
        base_with("/$defs/sku", "{'type':'string','maxLength':20,'x-masked':['DRIVER']}");

    (void)state;
    write_contract("stock.json", json);
    assert_int_equal(generate(), 0);
    assert_true(generated("masked_for = \"DRIVER\""));
    change(json, "/aggregates/item/commands/receive/schema/properties/sku/x-masked",
           parse("['VIEWER']"));
    write_contract("stock.json", json);
    assert_int_equal(generate(), 0);
    assert_true(generated("masked_for = \"VIEWER\""));
    assert_false(generated("masked_for = \"DRIVER\""));
    json_decref(json);
}

/* The hash that names the table of a view in the contract that was generated last. */
static void
hash_of_view(const char *name, char out[40])
{
    FILE *f = fopen(in_folder("out/stock.c"), "r");
    char  line[4096], mark[96];
    bool  found = false;

    assert_non_null(f);
    (void)snprintf(mark, sizeof(mark), "const bus_view_contract %s_view", name);
    out[0] = '\0';
    while (out[0] == '\0' && fgets(line, sizeof(line), f) != NULL) {
        const char *at = strstr(line, ".hash = ");

        found = found || strncmp(line, mark, strlen(mark)) == 0;
        if (found && at != NULL)
            (void)snprintf(out, 40, "%.38s", at);
    }
    assert_int_equal(fclose(f), 0);
    assert_string_not_equal(out, "");
}

/* All tables of an analytic are made anew when any of what fills them changes, and only then. */
static void
test_tables_of_an_analytic_are_named_together(void **state)
{
    static const struct {
        const char *pointer, *value;
        bool        anew;
    } changes[] = {
        {HOURS "/grace_s", "121", true},
        {HOURS "/window/every_s", "1200", true},
        {HOURS "/key", "[]", true},
        {HOURS "/memory/properties/more", "{'type':'integer'}", true},
        {HOURS "/schema/properties/more", "{'type':'integer'}", true},
        {HOURS "/roles", "['VIEWER']", false},
        {HOURS "/description", "'Hours.'", false},
        {HOURS "/emit", "'close'", false},
    };
    static const char *const tables[] = {"hours", "hours_late", "hours_clocks", "hours_memory"};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        for (size_t t = 0; t < 4; t++) {
            json_t *json = base_with("/analytics", hours_text);
            char    before[40], after[40];

            write_contract("stock.json", json);
            assert_int_equal(generate(), 0);
            hash_of_view(tables[t], before);
            change(json, changes[i].pointer, parse(changes[i].value));
            write_contract("stock.json", json);
            assert_int_equal(generate(), 0);
            hash_of_view(tables[t], after);
            json_decref(json);
            if ((strcmp(before, after) != 0) != changes[i].anew)
                fail_msg("%s, %s: %s then %s", changes[i].pointer, tables[t], before, after);
        }
}

/* --- keywords: what each lets through and what not
 * ---------------------------------------------------- */

typedef struct {
    const char *shape, *valid, *invalid; /* of the member x; lists */
} keyword;

static const keyword keywords[] = {
    {"{'type':'boolean'}", "[true,false]", "[0,'true',null,[],{}]"},
    {"{'type':['boolean','null']}", "[true,null]", "[0]"},
    {"{'type':'integer'}", "[0,-1,9223372036854775807,2.0]", "[1.5,'1',true,null]"},
    {"{'type':'integer','minimum':-2}", "[-2,0]", "[-3]"},
    {"{'type':'integer','maximum':2}", "[2]", "[3]"},
    {"{'type':'integer','exclusiveMinimum':2}", "[3]", "[2]"},
    {"{'type':'integer','exclusiveMaximum':2}", "[1]", "[2]"},
    {"{'type':'integer','minimum':5,'exclusiveMinimum':2}", "[5]", "[4]"},
    {"{'type':'integer','multipleOf':5}", "[0,-5,10]", "[1,-4]"},
    {"{'type':'number'}", "[0,1.5,-2]", "['1',null]"},
    {"{'type':'number','minimum':0.5}", "[0.5]", "[0.4]"},
    {"{'type':'number','maximum':0.5}", "[0.5]", "[0.6]"},
    {"{'type':'number','exclusiveMinimum':0.5}", "[0.6]", "[0.5]"},
    {"{'type':'number','exclusiveMaximum':0.5}", "[0.4]", "[0.5]"},
    {"{'type':'number','minimum':1,'exclusiveMinimum':0}", "[1]", "[0.5]"},
    {"{'type':'number','multipleOf':0.5}", "[1,1.5]", "[1.2]"},
    {"{'type':'string','maxLength':3}", "['','abc','\xd1\x88\xd0\xb8\xd0\xbd']", "['abcd',7]"},
    {"{'type':'string','minLength':2,'maxLength':3}", "['\xd1\x88\xd0\xb8']", "['\xd1\x88']"},
    {"{'type':['string','null'],'maxLength':3}", "[null,'a']", "['abcd']"},
    {"{'type':'string','maxLength':9,'pattern':'^[A-Z]+$'}", "['AB']", "['aB','A1','']"},
    {"{'type':'string','maxLength':9,'pattern':'b'}", "['abc']", "['ac']"},
    {"{'type':'string','format':'uuid'}", "['0190a5c0-0000-7000-8000-000000000001']",
     "['0190a5c0','',7]"},
    {"{'type':'string','format':'date'}", "['2024-02-29']", "['2023-02-29','2024-1-1',7]"},
    {"{'type':'string','format':'date-time'}", "['2026-11-23T08:00:00Z']",
     "['2026-11-23','2026-11-23T25:00:00Z']"},
    {"{'type':'string','format':'email'}", "['a@b.ru']", "['a','a@','@b.ru']"},
    {"{'type':'string','x-format':'e164'}", "['+79001234567']", "['79001234567','+0123','+7a']"},
    {"{'type':'string','enum':['A','B-1']}", "['A','B-1']", "['C','a',null]"},
    {"{'type':['string','null'],'enum':['A',null]}", "['A',null]", "['null']"},
    {"{'const':'A'}", "['A']", "['B']"},
    {"{'type':'string','const':'A'}", "['A']", "['B']"},
    {"{'type':'array','maxItems':2,'items':{'type':'integer'}}", "[[],[1,2]]", "[[1,2,3],['a']]"},
    {"{'type':'array','minItems':1,'maxItems':2,'items':{'type':'integer'}}", "[[1]]", "[[],{}]"},
    {"{'type':'array','maxItems':3,'uniqueItems':true,'items':{'type':'integer'}}", "[[1,2]]",
     "[[1,2,1]]"},
    {"{'type':'array','maxItems':3,'uniqueItems':false,'items':{'type':'integer'}}", "[[1,1]]",
     "[7]"},
    {"{'type':'array','maxItems':2,'items':{'type':'array','maxItems':1,'items':"
     "{'type':'boolean'}}}",
     "[[[true],[]]]", "[[[true,false]]]"},
    {"{'type':'object','properties':{'a':{'type':'integer'}}}", "[{},{'a':1},{'b':1}]",
     "[{'a':'b'},[]]"},
    {"{'type':'object','required':['a'],'properties':{'a':{'type':'integer'}}}", "[{'a':1}]",
     "[{},{'a':null}]"},
    {"{'type':'object','additionalProperties':false,'properties':{'a':{'type':'integer'}}}",
     "[{},{'a':1}]", "[{'b':1}]"},
    {"{'type':'object','additionalProperties':true,'properties':{}}", "[{'b':1}]", "[7]"},
    {"{'type':['object','null'],'properties':{}}", "[null,{}]", "[7]"},
    {"{'x-discriminator':'t','oneOf':["
     "{'type':'object','additionalProperties':false,'required':['t','a'],"
     "'properties':{'t':{'const':'A'},'a':{'type':'integer'}}},"
     "{'type':'object','required':['t'],'properties':{'t':{'const':'default'}}}]}",
     "[{'t':'A','a':1},{'t':'default'}]", "[{'t':'A'},{'t':'B'},{},{'t':'A','a':1,'b':2}]"},
    {"{'x-json':true}", "[1,'a',[1],{'b':2},null]", "[]"},
    {"{'$ref':'#/$defs/sku'}", "['abc']", "[7]"},
    {"{'$ref':'#/$defs/place','description':'d'}", "[{'row':1}]", "[{}]"},
    {"{'$ref':'common.json#/$defs/money'}", "[{'sum_kop':1}]", "[{'sum_kop':'1'}]"},
    {"{'$ref':'common.json#/$defs/alias'}", "['A']", "['C']"},
    {"{'type':'integer','minimum':3,'default':4}", "[3]", "[2]"},
    {"{'type':'string','maxLength':5,'title':'t','description':'d','examples':['a']}", "['a']",
     "[1]"},
    {"{'type':'string','maxLength':5,'x-personal':true}", "['a']", "[1]"},
    {"{'type':'string','maxLength':5,'x-masked':['VIEWER','DRIVER']}", "['a']", "[1]"},
    {"{'type':'string','maxLength':5,'x-masked':['DRIVER','VIEWER+finance.read']}", "['a']", "[1]"},
};

static json_t *
wrapped(const char *values)
{
    json_t *out = json_array(), *list = parse(values), *value;
    size_t  i;

    json_array_foreach(list, i, value)
    {
        json_t *example = parse("{'sku':'a','quantity':1}");

        assert_int_equal(json_object_set(example, "x", value), 0);
        assert_int_equal(json_array_append_new(out, example), 0);
    }
    json_decref(list);
    return out;
}

/* The invalid ones, called valid one by one, must each be found out at the member. */
static void
must_find_each(const keyword *k)
{
    json_t *list = parse(k->invalid), *value;
    size_t  i;

    json_array_foreach(list, i, value)
    {
        json_t *json = base_with(X, k->shape), *example = parse("{'sku':'a','quantity':1}");

        assert_int_equal(json_object_set(example, "x", value), 0);
        change(json, RECEIVE "/examples/valid/1", example);
        write_contract("stock.json", json);
        json_decref(json);
        if (generate() == 0)
            fail_msg("%s took one of %s", k->shape, k->invalid);
        must_say(RECEIVE "/examples/valid/1/x");
    }
    json_decref(list);
}

static void
test_each_keyword(void **state)
{
    (void)state;
    write_text("common.json",
               "{\"$defs\":{\"money\":{\"type\":\"object\",\"required\":[\"sum_kop\"],"
               "\"properties\":{\"sum_kop\":{\"type\":\"integer\"}}},"
               "\"letter\":{\"type\":\"string\",\"enum\":[\"A\",\"B\"]},"
               "\"alias\":{\"$ref\":\"#/$defs/letter\"}}}");
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        json_t *json = base_with(X, keywords[i].shape);

        change(json, RECEIVE "/examples/valid", wrapped(keywords[i].valid));
        change(json, RECEIVE "/examples/invalid", wrapped(keywords[i].invalid));
        write_contract("stock.json", json);
        json_decref(json);
        if (generate() != 0)
            fail_msg("%s: %s", keywords[i].shape, said);
        must_find_each(&keywords[i]);
    }
    assert_int_equal(unlink(in_folder("common.json")), 0);
}

/* --- several contracts
 * -------------------------------------------------------------------------------- */

static const char shop_text[] =
    "{'module':'shop','aggregates':{'sale':{'commands':{'sell':{'on':'any','by':'service',"
    "'schema':{'type':'object'}}},'events':{'sold.v1':{'schema':{'type':'object'}}}}},"
    "'views':{'sales':{'of':'sale','follows':['shop.sold.v1','stock.received.v1'],"
    "'schema':{'type':'object'}}},"
    "'follows':['stock.received.v1'],'sends':['stock.receive']}";

/* The shop's contract, changed, beside the stock's. */
static int
generate_shop(const char *pointer, const char *value)
{
    json_t *stock = base_with(NULL, NULL), *shop = parse(shop_text);
    int     status;

    if (pointer != NULL)
        change(shop, pointer, value == NULL ? NULL : parse(value));
    write_contract("stock.json", stock);
    write_contract("shop.json", shop);
    json_decref(stock);
    json_decref(shop);
    status = generate();
    assert_int_equal(unlink(in_folder("shop.json")), 0);
    return status;
}

static void
test_between_contracts(void **state)
{
    (void)state;
    if (generate_shop(NULL, NULL) != 0)
        fail_msg("%s", said);

    assert_int_equal(generate_shop("/follows", "['stock.sold.v1']"), 1);
    must_say("/shop.json: /follows/0: there is no event stock.sold.v1");

    assert_int_equal(generate_shop("/follows", "[]"), 1);
    must_say("/shop.json: /views/sales/follows/1: an event of another domain must be in /follows");

    assert_int_equal(generate_shop("/sends", "['stock.told']"), 1);
    must_say("/shop.json: /sends/0: stock.told is a wake or an answer");

    /* views are unique over all domains */
    assert_int_equal(generate_shop("/views/items", "{'of':'sale','schema':{'type':'object'}}"), 1);
    must_say("/stock.json: /views/items/schema: the name tag items_row is taken by");

    /* routes too */
    assert_int_equal(generate_shop("/views/sales/http", "{'list':'GET /items'}"), 1);
    must_say("/shop.json: /views/sales: a route needs roles");
    assert_int_equal(generate_shop("/views/sales",
                                   "{'of':'sale','http':{'list':'GET /items'},'roles':['ADMIN'],"
                                   "'schema':{'type':'object'}}"),
                     1);
    must_say("the name GET /items is taken by");

    /* and refusals */
    assert_int_equal(generate_shop("/refusals", "{'STOCK_FULL':{'status':409,'en':'','ru':''}}"),
                     1);
    must_say("the name STOCK_FULL is taken by");
}

/* --- files
 * ------------------------------------------------------------------------------------------------
 */

/* An older version of an event: what it needs, and who may still name it. */
static void
test_superseded_events(void **state)
{
    static const char v2[] = "{'schema':{'type':'object','properties':{'n':{'type':'integer'}}}}";
    static const char one[] = "{'valid':[{'quantity':1}]}";
    static const char to_v2[] = "'received.v2'";
    static const struct {
        const char *to, *examples, *follows, *expected;
    } cases[] = {
        {NULL, one, NULL, EVENT ": is superseded by received.v2: needs upcast_to"},
        {"7", one, NULL, EVENT "/upcast_to: must be"},
        {"'received.v3'", one, NULL, EVENT "/upcast_to: there is no event received.v3 of item"},
        {"'received.v1'", one, NULL, EVENT "/upcast_to: must be a newer version of received"},
        {to_v2, NULL, NULL, EVENT ": is superseded: needs valid examples"},
        {to_v2, one, NULL, "/follows/0: stock.received.v1 is superseded: follow stock.received.v2"},
        {to_v2, one, "['stock.received.v2']",
         "/views/places/follows/0: stock.received.v1 is superseded"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *json = base_with("/aggregates/item/events/received.v2", v2);

        if (cases[i].to != NULL)
            change(json, EVENT "/upcast_to", parse(cases[i].to));
        if (cases[i].examples != NULL)
            change(json, EVENT "/examples", parse(cases[i].examples));
        if (cases[i].follows != NULL)
            change(json, "/follows", parse(cases[i].follows));
        write_contract("stock.json", json);
        json_decref(json);
        assert_int_equal(generate(), 1);
        must_say(cases[i].expected);
    }
}

/* Whoever shows what is personal must hear that its subject is forgotten. */
static void
test_events_that_forget(void **state)
{
    static const char gone[] = "/aggregates/item/events/gone.v1";
    static const char plain[] =
        "{'forgets':true,'schema':{'type':'object','properties':{'n':{'type':'integer'}}}}";
    static const char personal_row[] =
        "{'type':'string','maxLength':9,'x-personal':{'subject':'/owner'}}";
    json_t *json;

    (void)state;
    json = base_with(gone, "{'forgets':1,'schema':{'type':'object','properties':{}}}");
    write_contract("stock.json", json);
    json_decref(json);
    assert_int_equal(generate(), 1);
    must_say("/events/gone.v1/forgets: must be true, or left out");

    json = base_with(gone, "{'forgets':true,'schema':{'type':'object','properties':{'name':"
                           "{'type':'string','maxLength':9,'x-personal':true}}}}");
    write_contract("stock.json", json);
    json_decref(json);
    assert_int_equal(generate(), 1);
    must_say("/events/gone.v1/forgets: an event with which somebody is forgotten holds nothing "
             "personal");

    json = base_with(gone, plain);
    change(json, "/views/items/follows", parse("['stock.received.v1']"));
    change(json, "/views/items/schema/properties/name", parse(personal_row));
    write_contract("stock.json", json);
    assert_int_equal(generate(), 1);
    must_say("/views/items/follows: has personal members, so it must follow stock.gone.v1 too");

    change(json, "/views/items/follows", parse("['stock.received.v1','stock.gone.v1']"));
    write_contract("stock.json", json);
    json_decref(json);
    assert_int_equal(generate(), 0);
}

static void
test_broken_files(void **state)
{
    (void)state;
    write_text("stock.json", "{\n  \"module\": \"stock\",\n  \"follows\": [,]\n}\n");
    assert_int_equal(generate(), 1);
    must_say("/stock.json:3:15: ");
    write_text("stock.json", "{\"module\":\"stock\",\"module\":\"stock\"}");
    assert_int_equal(generate(), 1);
    must_say("/stock.json:1:");
    must_say("duplicate");
    write_text("stock.json", "[]");
    assert_int_equal(generate(), 1);
    must_say("/stock.json: /: must be an object");
    write_text("stock.json", "");
    assert_int_equal(generate(), 1);
    must_say("/stock.json:1:0: ");
    assert_int_equal(RUN("generate", "--schemas", in_folder("nowhere"), "--out", folder), 1);
    must_say("/nowhere: /: is no folder");
}

static void
test_common_is_checked(void **state)
{
    json_t *json = base_with(NULL, NULL);

    (void)state;
    write_contract("stock.json", json);
    json_decref(json);
    write_text("common.json", "{\"$defs\":{\"a\":{\"type\":\"string\"}}}");
    assert_int_equal(generate(), 1);
    must_say("/common.json: /$defs/a: a string needs maxLength");
    write_text("common.json", "{\"defs\":{}}");
    assert_int_equal(generate(), 1);
    must_say("/common.json: /defs: keyword not supported");
    assert_int_equal(unlink(in_folder("common.json")), 0);
}

static void
test_the_command_line(void **state)
{
    (void)state;
    assert_int_equal(RUN("--help"), 0);
    must_say("Usage: shina-contract generate");
    assert_int_equal(RUN("make", "--schemas", folder, "--out", folder), 2);
    must_say("there is no verb make");
    assert_int_equal(RUN("generate", "--schemas", folder), 2);
    must_say("--schemas and --out are needed");
    assert_int_equal(RUN("generate", "--schemas"), 2);
    must_say("--schemas needs a value");
    assert_int_equal(RUN("generate", "--colour", "red"), 2);
    must_say("--colour is not an option");
    assert_int_equal(RUN("compatible", "--old", folder), 2);
    must_say("compatible needs --old and --new");
}

/* What did not change is not written again: it would be compiled again. */
static void
test_files_are_left_alone(void **state)
{
    json_t     *json = base_with(NULL, NULL);
    struct stat before, after;

    (void)state;
    write_contract("stock.json", json);
    assert_int_equal(generate(), 0);
    assert_int_equal(stat(in_folder("out/stock.c"), &before), 0);
    assert_int_equal(generate(), 0);
    assert_int_equal(stat(in_folder("out/stock.c"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);

    change(json, RECEIVE "/description", parse("'another'"));
    write_contract("stock.json", json);
    json_decref(json);
    assert_int_equal(generate(), 0);
    assert_int_equal(stat(in_folder("out/stock.c"), &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);

    assert_int_equal(RUN("generate", "--schemas", folder, "--out", in_folder("out"), "shop"), 1);
    must_say("there is no contract shop");
}

/* --- the hash of a view: only what its rows are made of
 * ------------------------------------------------- */

static unsigned long long
hash_with(const char *pointer, const char *value)
{
    json_t            *json = base_with(pointer, value);
    FILE              *f;
    char               line[512];
    unsigned long long hash = 0;

    write_contract("stock.json", json);
    json_decref(json);
    if (generate() != 0)
        fail_msg("%s", said);
    f = fopen(in_folder("out/stock.c"), "r");
    assert_non_null(f);
    while (hash == 0 && fgets(line, sizeof(line), f) != NULL) {
        const char *at = strstr(line, ".hash = UINT64_C(0x");

        if (at != NULL)
            hash = strtoull(at + strlen(".hash = UINT64_C("), NULL, 16);
    }
    assert_int_equal(fclose(f), 0);
    assert_true(hash != 0);
    return hash;
}

static void
test_hash_of_a_view(void **state)
{
    unsigned long long hash = hash_with(NULL, NULL);

    (void)state;
    assert_true(hash == hash_with(VIEW "/roles", "['ADMIN','DRIVER:own']"));
    assert_true(hash == hash_with(VIEW "/http/list", "'GET /goods'"));
    assert_true(hash == hash_with(VIEW "/description", "'words'"));
    assert_true(hash == hash_with(VIEW "/schema/properties/quantity/description", "'words'"));
    assert_true(hash != hash_with(VIEW "/schema/properties/description", "{'type':'boolean'}"));
    assert_true(hash != hash_with(VIEW "/schema/properties/quantity/minimum", "0"));
    assert_true(hash != hash_with(VIEW "/filters", "['owner']"));
    assert_true(hash !=
                hash_with("/aggregates/item/events/sold.v1", "{'schema':{'type':'object'}}"));
}

/* --- compatible
 * -----------------------------------------------------------------------------------------------
 */

typedef struct {
    const char *before, *after; /* shapes of the event's member x */
    const char *expected;       /* NULL: the new one can read all of the old */
} version;

static const version versions[] = {
    {"{'type':'integer'}", "{'type':'integer'}", NULL},
    {"{'type':'integer','minimum':1}", "{'type':'integer','minimum':0}", NULL},
    {"{'type':'integer','minimum':1}", "{'type':'integer','exclusiveMinimum':0}", NULL},
    {"{'type':'integer','minimum':1}", "{'type':'integer','minimum':2}", "the lower bound"},
    {"{'type':'integer'}", "{'type':'integer','exclusiveMinimum':0}", "the lower bound"},
    {"{'type':'integer','maximum':1}", "{'type':'integer','maximum':0}", "the upper bound"},
    {"{'type':'integer','multipleOf':4}", "{'type':'integer','multipleOf':2}", NULL},
    {"{'type':'integer','multipleOf':2}", "{'type':'integer','multipleOf':4}", "multipleOf"},
    {"{'type':'integer'}", "{'type':'number'}", NULL},
    {"{'type':'number'}", "{'type':'integer'}", "was of type number and is of type integer"},
    {"{'type':'number','minimum':1}", "{'type':'number','exclusiveMinimum':1}", "the lower bound"},
    {"{'type':'integer'}", "{'type':['integer','null']}", NULL},
    {"{'type':['integer','null']}", "{'type':'integer'}", "null is not accepted any more"},
    {"{'type':'integer'}", "{'type':'boolean'}", "was of type integer and is of type boolean"},
    {"{'type':'integer'}", "{'x-json':true}", NULL},
    {"{'x-json':true}", "{'type':'integer'}", "was of type json and is of type integer"},
    {"{'type':'string','maxLength':5}", "{'type':'string','maxLength':6}", NULL},
    {"{'type':'string','maxLength':5}", "{'type':'string','maxLength':4}", "maxLength is lower"},
    {"{'type':'string','maxLength':5}", "{'type':'string','maxLength':5,'minLength':1}",
     "minLength is higher"},
    {"{'type':'string','maxLength':5}", "{'type':'string','maxLength':5,'pattern':'a'}",
     "the pattern is not what it was"},
    {"{'type':'string','maxLength':5,'pattern':'a'}", "{'type':'string','maxLength':5}", NULL},
    {"{'type':'string','maxLength':36}", "{'type':'string','format':'uuid'}", "the format"},
    {"{'type':'string','format':'uuid'}", "{'type':'string','maxLength':36}", NULL},
    {"{'type':'string','format':'uuid'}", "{'type':'string','maxLength':35}", "maxLength"},
    {"{'type':'string','enum':['A']}", "{'type':'string','enum':['A','B']}", NULL},
    {"{'type':'string','enum':['A','B']}", "{'type':'string','enum':['A']}", "the value B is not"},
    {"{'const':'A'}", "{'type':'string','enum':['A','B']}", NULL},
    {"{'type':'string','enum':['A','B']}", "{'const':'A'}", "the value B is not"},
    {"{'type':'string','enum':['ABC']}", "{'type':'string','maxLength':3}", NULL},
    {"{'type':'string','enum':['ABC']}", "{'type':'string','maxLength':2}", "the value ABC may"},
    {"{'type':'string','maxLength':3}", "{'type':'string','enum':['ABC']}", "was of type string"},
    {"{'type':'array','maxItems':2,'items':{'type':'integer'}}",
     "{'type':'array','maxItems':3,'items':{'type':'number'}}", NULL},
    {"{'type':'array','maxItems':2,'items':{'type':'integer'}}",
     "{'type':'array','maxItems':1,'items':{'type':'integer'}}", "maxItems is lower"},
    {"{'type':'array','maxItems':2,'items':{'type':'integer'}}",
     "{'type':'array','maxItems':2,'minItems':1,'items':{'type':'integer'}}", "minItems is higher"},
    {"{'type':'array','maxItems':2,'items':{'type':'integer'}}",
     "{'type':'array','maxItems':2,'uniqueItems':true,'items':{'type':'integer'}}", "unique now"},
    {"{'type':'array','maxItems':2,'items':{'type':'integer'}}",
     "{'type':'array','maxItems':2,'items':{'type':'boolean'}}", "/x/items: was of type"},
    {"{'type':'object','properties':{'a':{'type':'integer'}}}",
     "{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}}}", NULL},
    {"{'type':'object','properties':{'a':{'type':'integer'}}}",
     "{'type':'object','required':['a'],'properties':{'a':{'type':'integer'}}}",
     "/x/required: a was not required before"},
    {"{'type':'object','properties':{'a':{'type':'integer'}}}",
     "{'type':'object','additionalProperties':false,'properties':{}}",
     "/x/properties/a: is not accepted any more"},
    {"{'type':'object','properties':{'a':{'type':'integer'}}}", "{'type':'object','properties':{}}",
     NULL},
    {"{'type':'object','properties':{'a':{'type':'integer'}}}",
     "{'type':'object','properties':{'a':{'type':'boolean'}}}", "/x/properties/a: was of type"},
    {"{'type':'string','maxLength':5}", "{'$ref':'#/$defs/sku'}", NULL},
    {"{'$ref':'#/$defs/sku'}", "{'type':'string','maxLength':5}", "maxLength is lower"},
    {"{'$ref':'#/$defs/sku'}", "{'$ref':'#/$defs/gone'}", "cannot be compared"},
    {"{'type':'string','maxLength':5,'x-personal':true}", "{'type':'string','maxLength':5}",
     "was personal"},
    {"{'type':'string','maxLength':5}", "{'type':'string','maxLength':5,'x-personal':true}",
     "was not personal"},
#define BRANCH(tag, member)                                                            \
    "{'type':'object','required':['t'],'properties':{'t':{'const':'" tag "'},'" member \
    "':{'type':'integer'}}}"
    {"{'x-discriminator':'t','oneOf':[" BRANCH("A", "a") "," BRANCH("B", "b") "]}",
     "{'x-discriminator':'t','oneOf':[" BRANCH("B", "b") "," BRANCH("A", "a") "]}", NULL},
    {"{'x-discriminator':'t','oneOf':[" BRANCH("A", "a") "," BRANCH("B", "b") "]}",
     "{'x-discriminator':'t','oneOf':[" BRANCH("A", "a") "]}", "t B is not accepted any more"},
    {"{'x-discriminator':'t','oneOf':[" BRANCH("A", "a") "]}",
     "{'x-discriminator':'s','oneOf':[" BRANCH("A", "a") "]}", "x-discriminator is not"},
};

static int
compare_mode(const char *mode, const json_t *before, const json_t *after)
{
    assert_true(mkdir(in_folder("old"), 0700) == 0 || errno == EEXIST);
    write_contract("old/stock.json", before);
    write_contract("stock.json", after);
    return RUN("compatible", "--mode", mode, "--old", in_folder("old/stock.json"), "--new",
               in_folder("stock.json"));
}

static int
compare(const json_t *before, const json_t *after)
{
    return compare_mode("BACKWARD", before, after);
}

/* Whoever wrote `before` is read by whoever knows `after`, or not: the same finding in each mode.
 */
static void
check_version(const version *v, const char *mode, const json_t *older, const json_t *newer)
{
    int status = compare_mode(mode, older, newer);

    if (status != (v->expected == NULL ? 0 : 1))
        fail_msg("%s, %s to %s: %d %s", mode, v->before, v->after, status, said);
    if (v->expected == NULL) {
        assert_string_equal(said, "");
        return;
    }
    must_say("/stock.json: " EVENT "/schema/properties/x");
    must_say(v->expected);
    if (strcmp(mode, "FORWARD") == 0)
        must_say(", for readers of the older contract\n");
}

static void
test_compatible_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        const version *v = &versions[i];
        json_t        *before = base_with(EVENT "/schema/properties/x", v->before);
        json_t        *after = base_with(EVENT "/schema/properties/x", v->after);

        check_version(v, "BACKWARD", before, after);
        check_version(v, "FORWARD", after, before);
        if (v->expected != NULL) {
            check_version(v, "FULL", before, after);
            check_version(v, "FULL", after, before);
        }
        json_decref(before);
        json_decref(after);
    }
    assert_int_equal(RUN("compatible", "--mode", "NONE", "--old", folder, "--new", folder), 2);
    must_say("--mode is BACKWARD, FORWARD or FULL, not NONE");
}

static void
test_compatible_contracts(void **state)
{
    json_t *base = base_with(NULL, NULL), *other;

    (void)state;
    /* commands and views may change as they like; events may be added */
    other = base_with(RECEIVE "/schema/properties/quantity/maximum", "5");
    change(other, "/aggregates/item/events/sold.v1", parse("{'schema':{'type':'object'}}"));
    change(other, "/views/items", NULL);
    assert_int_equal(compare(base, other), 0);

    /* who does not know the new event passes over it */
    assert_int_equal(compare_mode("FORWARD", base, other), 0);

    /* the way back loses the event */
    assert_int_equal(compare(other, base), 1);
    must_say("/stock.json: /aggregates/item/events/sold.v1: a published event may not vanish");
    json_decref(other);

    /* through a definition that changed */
    other = base_with("/$defs/place/required", "['row','shelf']");
    change(other, "/$defs/place/properties/shelf", parse("{'type':'integer'}"));
    change(other, EVENT "/schema/properties/place", parse("{'$ref':'#/$defs/place'}"));
    change(base, EVENT "/schema/properties/place", parse("{'$ref':'#/$defs/place'}"));
    assert_int_equal(compare(base, other), 1);
    must_say("/place/required: shelf was not required before");
    json_decref(other);
    json_decref(base);
}

/* All older versions count, and a folder is all its contracts with its common.json. */
static void
test_compatible_folders(void **state)
{
    json_t *narrow = base_with(EVENT "/schema/properties/x", "{'$ref':'common.json#/$defs/word'}");

    (void)state;
    assert_true(mkdir(in_folder("old"), 0700) == 0 || errno == EEXIST);
    assert_true(mkdir(in_folder("older"), 0700) == 0 || errno == EEXIST);
    write_contract("older/stock.json", narrow);
    write_text("older/common.json", "{\"$defs\":{\"word\":{\"type\":\"string\",\"maxLength\":9}}}");
    write_contract("old/stock.json", narrow);
    write_text("old/common.json", "{\"$defs\":{\"word\":{\"type\":\"string\",\"maxLength\":5}}}");
    write_contract("stock.json", narrow);
    write_text("common.json", "{\"$defs\":{\"word\":{\"type\":\"string\",\"maxLength\":7}}}");
    json_decref(narrow);

    assert_int_equal(RUN("compatible", "--old", in_folder("old"), "--new", folder), 0);
    assert_int_equal(
        RUN("compatible", "--old", in_folder("old"), "--old", in_folder("older"), "--new", folder),
        1);
    must_say("/stock.json: " EVENT "/schema/properties/x: maxLength is lower than it was");

    write_text("older/shop.json", "{}");
    assert_int_equal(RUN("compatible", "--old", in_folder("older"), "--new", folder), 1);
    must_say("/shop.json: /: a published contract may not vanish");
    assert_int_equal(unlink(in_folder("older/shop.json")), 0);
    assert_int_equal(unlink(in_folder("old/common.json")), 0);
    assert_int_equal(unlink(in_folder("common.json")), 0);
}

/* --- before and after
 * ------------------------------------------------------------------------------------------- */

static int
make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "%s/shina-contract-XXXXXX",
                   getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
    static const char *const names[] = {
        "out/common.h", "out/stock.h",    "out/stock.c", "out/shop.h",       "out/shop.c",
        "said.txt",     "old/stock.json", "stock.json",  "older/stock.json", "older/common.json"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(in_folder(names[i]));
    (void)rmdir(in_folder("out"));
    (void)rmdir(in_folder("old"));
    (void)rmdir(in_folder("older"));
    return rmdir(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_base_is_right),
        cmocka_unit_test(test_each_error_names_its_place),
        cmocka_unit_test(test_each_error_of_an_analytic_names_its_place),
        cmocka_unit_test(test_tables_of_an_analytic_are_named_together),
        cmocka_unit_test(test_masks_of_definitions),
        cmocka_unit_test(test_each_keyword),
        cmocka_unit_test(test_between_contracts),
        cmocka_unit_test(test_superseded_events),
        cmocka_unit_test(test_events_that_forget),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_common_is_checked),
        cmocka_unit_test(test_the_command_line),
        cmocka_unit_test(test_files_are_left_alone),
        cmocka_unit_test(test_hash_of_a_view),
        cmocka_unit_test(test_compatible_shapes),
        cmocka_unit_test(test_compatible_contracts),
        cmocka_unit_test(test_compatible_folders),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
