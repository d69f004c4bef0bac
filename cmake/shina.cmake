# The vocabulary of the build: bus_part, bus_contract, bus_module, bus_projection, bus_test.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(package jansson libuv libpcre2-8 libpq hiredis libcurl libjwt libmicrohttpd openssl
                libcrypt libzstd rdkafka cmocka)
  pkg_check_modules(${package} REQUIRED IMPORTED_TARGET ${package})
endforeach()

find_package(nng REQUIRED CONFIG)

add_library(shina_options INTERFACE)
target_compile_options(shina_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch
  -Wpointer-arith -Wcast-qual -Wwrite-strings -fno-common -fno-omit-frame-pointer)
target_compile_definitions(shina_options INTERFACE _GNU_SOURCE)
target_compile_options(shina_options INTERFACE $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)
target_include_directories(shina_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_link_libraries(shina_options INTERFACE Threads::Threads)
if(SHINA_SANITIZE)
  target_compile_options(shina_options INTERFACE -fsanitize=${SHINA_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(shina_options INTERFACE -fsanitize=${SHINA_SANITIZE})
endif()

# bus_test(name SOURCE file LINK libs...): one cmocka program, run by ctest.
function(bus_test name)
  cmake_parse_arguments(T "" "SOURCE" "LINK" ${ARGN})
  if(NOT SHINA_TESTS)
    return()
  endif()
  add_executable(${name} ${T_SOURCE})
  target_link_libraries(${name} PRIVATE shina_options PkgConfig::cmocka ${T_LINK})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()

# bus_part(base LINK ...): the library bus_base of every .c here; each x_test.c is a test.
# A nested folder passes its name with an underscore: bus_part(store_postgres LINK ...).
function(bus_part name)
  cmake_parse_arguments(P "" "PREFIX" "LINK" ${ARGN})
  if(NOT P_PREFIX)
    set(P_PREFIX bus_)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.c$")
  list(FILTER tests INCLUDE REGEX "_test\\.c$")
  add_library(${P_PREFIX}${name} STATIC ${sources})
  target_link_libraries(${P_PREFIX}${name} PUBLIC shina_options ${P_LINK})
  foreach(test ${tests})
    get_filename_component(test_name ${test} NAME_WE)
    bus_test(${P_PREFIX}${name}_${test_name} SOURCE ${test} LINK ${P_PREFIX}${name})
  endforeach()
endfunction()

# bus_contract(vehicles): schemas/vehicles.json -> <build>/contracts/vehicles.{h,c} and the
# library contract_vehicles. Contracts name each other's messages, so all headers come first
# (target contract_headers) and the libraries may depend on each other in circles. The upcasters of
# superseded events, services/vehicles/upcast.c, are part of the contract: who links it can read
# its whole log.
add_custom_target(contract_headers)
function(bus_contract domain)
  cmake_parse_arguments(C "" "" "USES" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/contracts)
  file(GLOB all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schemas/*.json)
  add_custom_command(
    OUTPUT ${out}/${domain}.h ${out}/${domain}.c
    COMMAND shina-contract generate --schemas ${CMAKE_SOURCE_DIR}/schemas --out ${out} ${domain}
    DEPENDS shina-contract ${all}
    COMMENT "contract ${domain}")
  add_custom_target(contract_${domain}_files DEPENDS ${out}/${domain}.h ${out}/${domain}.c)
  add_dependencies(contract_headers contract_${domain}_files)
  add_library(contract_${domain} STATIC ${out}/${domain}.c)
  add_dependencies(contract_${domain} contract_headers)
  set(contracts ${C_USES})
  list(TRANSFORM contracts PREPEND contract_)
  target_link_libraries(contract_${domain} PUBLIC shina_options bus_module ${contracts})
  set(upcast ${CMAKE_SOURCE_DIR}/services/${domain}/upcast.c)
  if(EXISTS ${upcast})
    add_library(upcast_${domain} STATIC ${upcast})
    add_dependencies(upcast_${domain} contract_headers)
    set_property(GLOBAL APPEND PROPERTY SHINA_UPCASTS upcast_${domain})
    target_link_libraries(upcast_${domain} PUBLIC shina_options bus_module)
    target_link_libraries(contract_${domain} PUBLIC upcast_${domain})
  endif()
  set_property(GLOBAL APPEND PROPERTY SHINA_USES_${domain} ${C_USES})
  set_property(GLOBAL APPEND PROPERTY SHINA_CONTRACTS ${domain})
endfunction()

# bus_module(trips USES vehicles drivers): the library module_trips of this folder's .c files;
# it sees bus/module, its own contract and the contracts it follows or sends to. Each
# x_test.c is a story test.
function(bus_module domain)
  cmake_parse_arguments(M "" "" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/upcast)\\.c$")
  list(FILTER tests INCLUDE REGEX "_test\\.c$")
  add_library(module_${domain} STATIC ${sources})
  add_dependencies(module_${domain} contract_headers)
  set_property(GLOBAL APPEND PROPERTY SHINA_MODULES module_${domain})
  set_property(GLOBAL APPEND PROPERTY SHINA_USES_${domain} ${M_USES})
  set(contracts ${M_USES})
  list(TRANSFORM contracts PREPEND contract_)
  target_link_libraries(module_${domain} PUBLIC shina_options contract_${domain} ${contracts} bus_module)
  foreach(test ${tests})
    get_filename_component(test_name ${test} NAME_WE)
    bus_test(module_${test_name} SOURCE ${test} LINK module_${domain} tests_story)
  endforeach()
endfunction()

# bus_worker(webhooks LINK libs...): the library worker_webhooks of this folder's .c files, the
# companion of a domain that is not pure (bus/runtime/worker.h): started with the domain's service.
function(bus_worker domain)
  cmake_parse_arguments(W "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.c$")
  list(FILTER tests INCLUDE REGEX "_test\\.c$")
  add_library(worker_${domain} STATIC ${sources})
  target_link_libraries(worker_${domain} PUBLIC shina_options contract_${domain} bus_runtime ${W_LINK})
  set_property(GLOBAL APPEND PROPERTY SHINA_WORKERS worker_${domain})
  foreach(test ${tests})
    get_filename_component(test_name ${test} NAME_WE)
    bus_test(worker_${domain}_${test_name} SOURCE ${test} LINK worker_${domain})
  endforeach()
endfunction()

# bus_projection(vehicles OF vehicles USES trips): the library projection_vehicles of this
# folder's .c files, pure like a module.
function(bus_projection name)
  cmake_parse_arguments(P "" "OF" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.c$")
  list(FILTER tests INCLUDE REGEX "_test\\.c$")
  add_library(projection_${name} STATIC ${sources})
  add_dependencies(projection_${name} contract_headers)
  set_property(GLOBAL APPEND PROPERTY SHINA_PROJECTIONS projection_${name})
  set_property(GLOBAL APPEND PROPERTY SHINA_PROJECTIONS_OF_${P_OF} projection_${name})
  set_property(GLOBAL APPEND PROPERTY SHINA_USES_${P_OF} ${P_USES})
  set(contracts ${P_USES})
  list(TRANSFORM contracts PREPEND contract_)
  target_link_libraries(projection_${name} PUBLIC shina_options contract_${P_OF} ${contracts} bus_module)
  foreach(test ${tests})
    get_filename_component(test_name ${test} NAME_WE)
    bus_test(projection_${test_name} SOURCE ${test} LINK projection_${name} tests_story)
  endforeach()
endfunction()

# bus_analytic(delivery_on_time_hours OF deliveries [USES trips]): the same for windows of event time
# (projections/stream/analytic.h), with the table of late events beside them. Its stories link tests_analytic.
function(bus_analytic name)
  bus_projection(${name} ${ARGN})
  set_property(GLOBAL APPEND PROPERTY SHINA_ANALYTICS ${name})
  if(TARGET projection_${name}_test)
    target_link_libraries(projection_${name}_test PRIVATE tests_analytic)
  endif()
endfunction()

# bus_registry(MODULES module_a PROJECTIONS projection_b CONTRACTS a c WORKERS worker_a): registry.c in the current
# build folder, the lists of compose/process/registry.h for one program.
function(bus_registry)
  cmake_parse_arguments(R "" "OUT" "MODULES;PROJECTIONS;CONTRACTS;WORKERS" ${ARGN})
  foreach(worker ${R_WORKERS})
    string(REGEX REPLACE "^worker_" "" name ${worker})
    string(APPEND SHINA_WORKER_DECLARATIONS "extern const bus_worker ${name}_worker;\n")
    string(APPEND SHINA_WORKER_ENTRIES "    &${name}_worker,\n")
  endforeach()
  foreach(module ${R_MODULES})
    string(REGEX REPLACE "^module_" "" name ${module})
    string(APPEND SHINA_MODULE_DECLARATIONS "extern const bus_module ${name}_module;\n")
    string(APPEND SHINA_MODULE_ENTRIES "    &${name}_module,\n")
  endforeach()
  get_property(analytics GLOBAL PROPERTY SHINA_ANALYTICS)
  foreach(projection ${R_PROJECTIONS})
    string(REGEX REPLACE "^projection_" "" name ${projection})
    if(name IN_LIST analytics)
      string(APPEND SHINA_VIEW_DECLARATIONS "extern const bus_view ${name}_late_projection;\n")
      string(APPEND SHINA_VIEW_ENTRIES "    &${name}_late_projection,\n")
    endif()
    string(APPEND SHINA_VIEW_DECLARATIONS "extern const bus_view ${name}_projection;\n")
    string(APPEND SHINA_VIEW_ENTRIES "    &${name}_projection,\n")
  endforeach()
  foreach(contract ${R_CONTRACTS})
    string(APPEND SHINA_CONTRACT_DECLARATIONS "extern const bus_contract ${contract}_contract;\n")
    string(APPEND SHINA_CONTRACT_ENTRIES "    &${contract}_contract,\n")
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/compose/process/registry.c.in ${R_OUT} @ONLY)
endfunction()

# bus_domain_program(trips): the program shina-trips.
function(bus_domain_program domain)
  get_property(projections GLOBAL PROPERTY SHINA_PROJECTIONS_OF_${domain})
  get_property(uses GLOBAL PROPERTY SHINA_USES_${domain})
  set(contracts ${domain} ${uses})
  list(REMOVE_DUPLICATES contracts)
  set(registry ${CMAKE_CURRENT_BINARY_DIR}/${domain}/registry.c)
  set(workers)
  if(TARGET worker_${domain})
    set(workers worker_${domain})
  endif()
  bus_registry(OUT ${registry} MODULES module_${domain} PROJECTIONS ${projections}
    CONTRACTS ${contracts} WORKERS ${workers})
  add_executable(shina-${domain} main.c ${registry})
  list(TRANSFORM contracts PREPEND contract_)
  target_link_libraries(shina-${domain} PRIVATE shina_options module_${domain} ${projections}
    ${workers} ${contracts} shina_process)
  install(TARGETS shina-${domain})
endfunction()
