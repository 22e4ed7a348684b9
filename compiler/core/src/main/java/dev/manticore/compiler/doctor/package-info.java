/** What this machine can do for Manticore. Looking never fails and changes nothing. */
package dev.manticore.compiler.doctor;
