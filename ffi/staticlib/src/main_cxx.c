/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Without a C library, compilers for C++ name `main` as they name any function. In an object of its own, which is linked
 * if the guest has no `main` by the name of C. */
int main_cxx(int argc, char *argv[]) __asm__("_Z4mainiPPc");
int main(int argc, char *argv[]);

int main(int argc, char *argv[]) {
  return main_cxx(argc, argv);
}
