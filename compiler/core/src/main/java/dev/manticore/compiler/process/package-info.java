/** Programs that are run beside this one: bounded in time, and gone when it is. */
package dev.manticore.compiler.process;
