# SPDX-License-Identifier: MIT OR Apache-2.0
# find_package(paravirt): paravirt::guest for guests and paravirt::host for hosts, of the compiler's width, and both by
# their architecture: paravirt::guest-i386 builds for 32 bits with a compiler for 64, too. paravirt::vm, for programs for
# x86-64 that run guests in themselves.
cmake_minimum_required(VERSION 3.13)
get_filename_component(_paravirt "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

# A function, whose variables are gone behind it.
function(_paravirt_targets arch bits machine text)
  if(TARGET paravirt::guest-${arch})
    return()
  endif()
  set(libraries "${_paravirt}/lib/paravirt/${arch}")
  set(linkcmds "${_paravirt}/share/paravirt/linkcmds")
  add_library(paravirt::guest-${arch} STATIC IMPORTED)
  set_target_properties(paravirt::guest-${arch} PROPERTIES
    IMPORTED_LOCATION "${libraries}/libparavirt_guest.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_paravirt}/include"
    INTERFACE_COMPILE_OPTIONS "${bits};${machine};-ffreestanding;-fno-pie;-fno-stack-protector;-U_FORTIFY_SOURCE;-ffunction-sections;-fdata-sections;$<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions;-fno-rtti;-fno-threadsafe-statics;-fno-use-cxa-atexit>"
    INTERFACE_LINK_OPTIONS "${bits};-nostdlib;-static;LINKER:-no-pie;LINKER:--gc-sections;LINKER:--build-id=none;-L${linkcmds};LINKER:-T,${linkcmds}/${arch}.ld"
    INTERFACE_LINK_DEPENDS "${linkcmds}/${arch}.ld;${linkcmds}/guest.ld;${linkcmds}/externals.ld")
  add_library(paravirt::host-${arch} STATIC IMPORTED)
  set_target_properties(paravirt::host-${arch} PROPERTIES
    IMPORTED_LOCATION "${libraries}/libparavirt_host.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_paravirt}/include"
    INTERFACE_COMPILE_OPTIONS "${bits}"
    # On Linux it is linked out of the way of guests, and without a loader, which would take addresses of its own.
    INTERFACE_LINK_OPTIONS "${bits};$<$<PLATFORM_ID:Linux>:-static;LINKER:-Ttext-segment=${text}>")
endfunction()

_paravirt_targets(x86_64 -m64 -mno-red-zone 0x40000000)
_paravirt_targets(i386 -m32 "" 0xa0000000)

set(_paravirt_arch x86_64)
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  set(_paravirt_arch i386)
endif()
foreach(_paravirt_side guest host)
  if(NOT TARGET paravirt::${_paravirt_side})
    add_library(paravirt::${_paravirt_side} INTERFACE IMPORTED)
    set_target_properties(paravirt::${_paravirt_side} PROPERTIES
      INTERFACE_LINK_LIBRARIES paravirt::${_paravirt_side}-${_paravirt_arch})
  endif()
endforeach()
if(_paravirt_arch STREQUAL x86_64 AND NOT TARGET paravirt::vm)
  add_library(paravirt::vm SHARED IMPORTED)
  set_target_properties(paravirt::vm PROPERTIES
    IMPORTED_LOCATION "${_paravirt}/lib/libparavirt_vm.so"
    IMPORTED_SONAME libparavirt_vm.so
    INTERFACE_INCLUDE_DIRECTORIES "${_paravirt}/include")
endif()
unset(_paravirt)
unset(_paravirt_arch)
unset(_paravirt_side)
